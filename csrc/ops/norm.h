// Normalisations. The residual stream is fp32 whatever the compute dtype is: adding to it and normalising it round
// once.
#pragma once

#include <optional>

#include <ATen/core/Tensor.h>

namespace contlm::ops {

// residual[t] += y[t] when y is given (in place), then returns
//   residual[t] / sqrt(mean(residual[t]^2) + eps) * weight, as `dtype`.
// residual [T, H] fp32; y [T, H] fp32 or bf16; weight [H] fp32 or bf16.
at::Tensor residual_rms_norm_(const at::Tensor& residual, const std::optional<at::Tensor>& y, const at::Tensor& weight,
                              double eps, at::ScalarType dtype);

// The same with LayerNorm: (residual - mean) / sqrt(var + eps) * weight + bias.
at::Tensor residual_layer_norm_(const at::Tensor& residual, const std::optional<at::Tensor>& y,
                                const at::Tensor& weight, const at::Tensor& bias, double eps, at::ScalarType dtype);

// Qwen3's q/k norm: RMSNorm over each head, in place. x [T, heads, D] with any strides but the last; weight [D].
void head_rms_norm_(const at::Tensor& x, const at::Tensor& weight, double eps);

// What each op asks of its arguments (ops/require.h).
// bias: LayerNorm's; none for RMSNorm. op: the name in messages.
void check_residual_norm(const char* op, const at::Tensor& residual, const std::optional<at::Tensor>& y,
                         const at::Tensor& weight, const std::optional<at::Tensor>& bias, at::ScalarType dtype);
void check_head_rms_norm(const at::Tensor& x, const at::Tensor& weight);

}  // namespace contlm::ops

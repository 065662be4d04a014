// What each op asks of its arguments. Every kernel that the dispatcher can reach calls its op's check first, so a call
// is checked once whether it came from C++ or from torch.ops.contlm. The checks read shapes and types, never a tensor's
// data: what only the data can tell is checked by the kernels that can read it without waiting for a device.
#pragma once

#include <optional>
#include <string>

#include <ATen/core/Tensor.h>

#include "ops/sampling.h"

namespace contlm::ops {

// "float32 [2, 3] on cpu", for messages.
std::string describe(const at::Tensor& tensor);

void check_pack_linear_weight(const at::Tensor& weight);
void check_packed_linear(const at::Tensor& x, const at::Tensor& packed_weight, const std::optional<at::Tensor>& bias,
                         const std::optional<at::Tensor>& addend, std::optional<c10::string_view> activation);
void check_scale_lora(const at::Tensor& u, const at::Tensor& coeffs, const at::Tensor& anchor,
                      const at::Tensor& scaling);
// bias: LayerNorm's; none for RMSNorm. op: the name in messages.
void check_residual_norm(const char* op, const at::Tensor& residual, const std::optional<at::Tensor>& y,
                         const at::Tensor& weight, const std::optional<at::Tensor>& bias, at::ScalarType dtype);
void check_head_rms_norm(const at::Tensor& x, const at::Tensor& weight);
void check_rotary(const at::Tensor& x, const at::Tensor& cos, const at::Tensor& sin);
void check_write_kv(const at::Tensor& k, const at::Tensor& v, const at::Tensor& k_cache, const at::Tensor& v_cache,
                    const at::Tensor& slot, const at::Tensor& position);
void check_cached_attention(const at::Tensor& q, const at::Tensor& k_cache, const at::Tensor& v_cache,
                            const at::Tensor& slot, const at::Tensor& begin, const at::Tensor& end);
void check_silu_mul(const at::Tensor& gate, const at::Tensor& up);
void check_target_nll(const at::Tensor& logits, const at::Tensor& targets);
void check_sample(const at::Tensor& logits, const at::Tensor& uniform, const SamplingParams& params);
void check_apply_repetition_penalty(const at::Tensor& logits, const at::Tensor& offsets, const at::Tensor& tokens,
                                    double penalty);

}  // namespace contlm::ops

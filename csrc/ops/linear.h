// Matrix products with weights laid out once for the device's library: prepacked oneDNN on the CPU, cuBLAS on CUDA.
#pragma once

#include <optional>

#include <ATen/core/Tensor.h>

#include "ops/activation.h"

namespace contlm::ops {

// weight [out, in], fp32 or bf16 -> the layout that packed_linear wants on that device. Opaque: on the CPU an oneDNN
// tensor (bf16 on a processor without AVX-512 is packed as fp32 holding the bf16 values), elsewhere a view of the
// weight.
at::Tensor pack_linear_weight(const at::Tensor& weight);

// y[n, out] = activation(x[n, in] W^T (+ bias[out]) (+ addend[n, out])), accumulated in fp32, in x's dtype.
at::Tensor packed_linear(const at::Tensor& x, const at::Tensor& packed_weight,
                         const std::optional<at::Tensor>& bias = {}, const std::optional<at::Tensor>& addend = {},
                         std::optional<Activation> activation = {});

// What each op asks of its arguments (ops/require.h).
void check_pack_linear_weight(const at::Tensor& weight);
void check_packed_linear(const at::Tensor& x, const at::Tensor& packed_weight, const std::optional<at::Tensor>& bias,
                         const std::optional<at::Tensor>& addend, std::optional<c10::string_view> activation);

}  // namespace contlm::ops

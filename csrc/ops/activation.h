// Element-wise activations between a feed-forward network's two matrix products.
#pragma once

#include <ATen/core/Tensor.h>

namespace contlm::ops {

// silu(gate) * up = gate / (1 + exp(-gate)) * up, formed in fp32. gate, up [T, I], same dtype (fp32 or bf16).
at::Tensor silu_mul(const at::Tensor& gate, const at::Tensor& up);

}  // namespace contlm::ops

// Element-wise activations between a feed-forward network's two matrix products.
#pragma once

#include <string_view>

#include <ATen/core/Tensor.h>

namespace contlm::ops {

enum class Activation { silu, gelu, gelu_tanh, relu };

// "silu", "gelu", "gelu_tanh", "relu": how op schemas say it. ValueError for another name.
const char* activation_name(Activation activation);
Activation activation_named(std::string_view name);

at::Tensor activate(Activation activation, const at::Tensor& x);

// silu(gate) * up = gate / (1 + exp(-gate)) * up, formed in fp32. gate, up [T, I], same dtype (fp32 or bf16).
at::Tensor silu_mul(const at::Tensor& gate, const at::Tensor& up);

// What each op asks of its arguments (ops/require.h).
void check_silu_mul(const at::Tensor& gate, const at::Tensor& up);

}  // namespace contlm::ops

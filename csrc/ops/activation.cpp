#include "ops/activation.h"

#include <array>
#include <utility>

#include <ATen/TensorOperators.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/sigmoid.h>
#include <ATen/ops/silu.h>
#include <torch/library.h>

#include "ops/call.h"
#include "ops/error.h"
#include "ops/require.h"

namespace contlm::ops {

namespace {

constexpr std::array<std::pair<const char*, Activation>, 4> kActivations = {{
    {"silu", Activation::silu},
    {"gelu", Activation::gelu},
    {"gelu_tanh", Activation::gelu_tanh},
    {"relu", Activation::relu},
}};

}  // namespace

const char* activation_name(Activation activation) {
  for (const auto& [name, value] : kActivations)
    if (value == activation) return name;
  throw ValueError("activation: unknown");
}

Activation activation_named(std::string_view name) {
  for (const auto& [known, value] : kActivations)
    if (name == known) return value;
  throw ValueError(message("activation: must be silu, gelu, gelu_tanh or relu, got \"", name, "\""));
}

at::Tensor activate(Activation activation, const at::Tensor& x) {
  switch (activation) {
    case Activation::silu:
      return at::silu(x);
    case Activation::gelu:
      return at::gelu(x);
    case Activation::gelu_tanh:
      return at::gelu(x, "tanh");
    case Activation::relu:
      return at::relu(x);
  }
  throw ValueError("activation: unknown");
}

at::Tensor silu_mul(const at::Tensor& gate, const at::Tensor& up) {
  static const auto op = find_op<at::Tensor(const at::Tensor&, const at::Tensor&)>("contlm::silu_mul");
  return call_op(op, gate, up);
}

void check_silu_mul(const at::Tensor& gate, const at::Tensor& up) {
  const Argument gate_argument{"gate", "[T, I]", gate}, up_argument{"up", "[T, I]", up};
  require_shape("silu_mul", gate_argument, {kAnySize, kAnySize});
  require_shape("silu_mul", up_argument, {gate.size(0), gate.size(1)});
  require_float32_or_bfloat16("silu_mul", gate_argument);
  require_dtype("silu_mul", up_argument, gate.scalar_type());
  require_same_device("silu_mul", gate, {up_argument});
}

namespace {

at::Tensor silu_mul_aten(const at::Tensor& gate, const at::Tensor& up) {
  check_silu_mul(gate, up);
  const at::Tensor wide = gate.to(at::kFloat);
  return (wide * at::sigmoid(wide) * up.to(at::kFloat)).to(gate.scalar_type()).contiguous();
}

TORCH_LIBRARY_IMPL(contlm, CompositeExplicitAutograd, library) { library.impl("silu_mul", silu_mul_aten); }

}  // namespace
}  // namespace contlm::ops

#include "ops/activation.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/sigmoid.h>
#include <torch/library.h>

#include "ops/call.h"
#include "ops/require.h"

namespace contlm::ops {

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

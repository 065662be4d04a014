#include "ops/linear.h"

#include <ATen/ops/alias.h>
#include <ATen/ops/linear.h>
#include <torch/library.h>

#include "ops/call.h"
#include "ops/require.h"

namespace contlm::ops {

at::Tensor pack_linear_weight(const at::Tensor& weight) {
  static const auto op = find_op<at::Tensor(const at::Tensor&)>("contlm::pack_linear_weight");
  return call_op(op, weight);
}

at::Tensor packed_linear(const at::Tensor& x, const at::Tensor& packed_weight, const std::optional<at::Tensor>& bias,
                         const std::optional<at::Tensor>& addend, std::optional<Activation> activation) {
  using Signature = at::Tensor(const at::Tensor&, const at::Tensor&, const std::optional<at::Tensor>&,
                               const std::optional<at::Tensor>&, std::optional<c10::string_view>);
  static const auto op = find_op<Signature>("contlm::packed_linear");
  const auto name = activation ? std::optional<c10::string_view>(activation_name(*activation)) : std::nullopt;
  return call_op(op, x, packed_weight, bias, addend, name);
}

void check_pack_linear_weight(const at::Tensor& weight) {
  const Argument argument{"weight", "[out, in]", weight};
  require_shape("pack_linear_weight", argument, {kAnySize, kAnySize});
  require_float32_or_bfloat16("pack_linear_weight", argument);
  CONTLM_CHECK(weight.numel() > 0, ValueError, "pack_linear_weight: weight must not be empty, got ", describe(weight),
               "; leave the product out");
}

void check_packed_linear(const at::Tensor& x, const at::Tensor& packed_weight, const std::optional<at::Tensor>& bias,
                         const std::optional<at::Tensor>& addend, std::optional<c10::string_view> activation) {
  constexpr const char* op = "packed_linear";
  const Argument x_argument{"x", "[n, in]", x}, weight_argument{"packed_weight", "[out, in]", packed_weight};
  require_shape(op, weight_argument, {kAnySize, kAnySize});
  require_shape(op, x_argument, {kAnySize, packed_weight.size(1)});
  require_float32_or_bfloat16(op, x_argument);
  // A bf16 weight may have been packed as fp32, where the library has no bf16 product.
  const bool widened = packed_weight.is_mkldnn() && packed_weight.scalar_type() == at::kFloat;
  if (!widened || x.scalar_type() != at::kBFloat16) require_dtype(op, x_argument, packed_weight.scalar_type());
  require_same_device(op, x, {weight_argument});
  if (bias) {
    const Argument bias_argument{"bias", "[out]", *bias};
    require_shape(op, bias_argument, {packed_weight.size(0)});
    require_dtype(op, bias_argument, x.scalar_type());
    require_same_device(op, x, {bias_argument});
  }
  if (addend) {
    const Argument addend_argument{"addend", "[n, out]", *addend};
    require_shape(op, addend_argument, {x.size(0), packed_weight.size(0)});
    require_dtype(op, addend_argument, x.scalar_type());
    require_same_device(op, x, {addend_argument});
  }
  if (activation) activation_named(*activation);
}

namespace {

at::Tensor pack_linear_weight_aten(const at::Tensor& weight) {
  check_pack_linear_weight(weight);
  return at::alias(weight);
}

at::Tensor packed_linear_aten(const at::Tensor& x, const at::Tensor& packed_weight,
                              const std::optional<at::Tensor>& bias, const std::optional<at::Tensor>& addend,
                              std::optional<c10::string_view> activation) {
  check_packed_linear(x, packed_weight, bias, addend, activation);
  at::Tensor y = at::linear(x, packed_weight, bias);
  if (addend) y.add_(*addend);
  return activation ? activate(activation_named(*activation), y) : y;
}

TORCH_LIBRARY_IMPL(contlm, CompositeExplicitAutograd, library) {
  library.impl("pack_linear_weight", pack_linear_weight_aten);
  library.impl("packed_linear", packed_linear_aten);
}

}  // namespace
}  // namespace contlm::ops

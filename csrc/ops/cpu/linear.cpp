// Products with weights that oneDNN has laid out, through the dispatcher ops that torch ships for its compiler. They
// are 3 to 7 times as fast as at::linear at few rows. Where oneDNN cannot serve, weights stay as they are and
// at::linear does.
#include <ATen/Context.h>
#include <ATen/ops/alias.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/linear.h>
#include <torch/library.h>

#include "ops/activation.h"
#include "ops/call.h"
#include "ops/linear.h"

namespace contlm::ops::cpu {
namespace {

using Reorder = at::Tensor(const at::Tensor&, std::optional<c10::SymInt>);
using LinearPointwise = at::Tensor(const at::Tensor&, const at::Tensor&, const std::optional<at::Tensor>&,
                                   c10::string_view, c10::List<std::optional<at::Scalar>>,
                                   std::optional<c10::string_view>);
using LinearBinary = at::Tensor(const at::Tensor&, const at::Tensor&, const at::Tensor&,
                                const std::optional<at::Tensor>&, c10::string_view);
using Answer = bool();

bool onednn_serves() {
  static const bool has_ops = c10::Dispatcher::singleton().findSchema({"mkldnn::_linear_pointwise", ""}).has_value();
  return has_ops && at::hasMKLDNN() && at::globalContext().userEnabledMkldnn();
}

// Without AVX-512 oneDNN's bf16 product is refused.
bool onednn_serves_bfloat16() {
  static const bool answer = find_op<Answer>("mkldnn::_is_mkldnn_bf16_supported").call();
  return answer;
}

at::Tensor reorder(const at::Tensor& weight) {
  static const auto op = find_op<Reorder>("mkldnn::_reorder_linear_weight");
  // The layout chosen for 64 rows serves few and many rows as well.
  return call_op(op, weight, std::optional<c10::SymInt>(64));
}

// What oneDNN does to a product before it is stored, in the words of torch's op.
struct PostOp {
  c10::string_view attribute = "none", algorithm = "";
};

PostOp post_op(Activation activation) {
  switch (activation) {
    case Activation::silu:
      return {"swish"};
    case Activation::gelu:
      return {"gelu", "none"};
    case Activation::gelu_tanh:
      return {"gelu", "tanh"};
    case Activation::relu:
      return {"relu"};
  }
  return {};
}

at::Tensor multiply(const at::Tensor& x, const at::Tensor& packed_weight, const std::optional<at::Tensor>& bias,
                    const std::optional<at::Tensor>& addend, std::optional<Activation> activation) {
  static const auto linear = find_op<LinearPointwise>("mkldnn::_linear_pointwise");
  static const auto binary = find_op<LinearBinary>("mkldnn::_linear_pointwise", "binary");
  if (addend) {
    // The op has no second step to give.
    const at::Tensor y = call_op(binary, x, *addend, packed_weight, bias, "add");
    return activation ? activate(*activation, y) : y;
  }
  static const c10::List<std::optional<at::Scalar>> no_scalars;
  const PostOp post = activation ? post_op(*activation) : PostOp{};
  return call_op(linear, x, packed_weight, bias, post.attribute, no_scalars,
                 std::optional<c10::string_view>(post.algorithm));
}

std::optional<at::Tensor> dense(const std::optional<at::Tensor>& tensor, at::ScalarType dtype) {
  return tensor ? std::optional(tensor->to(dtype).contiguous()) : std::nullopt;
}

at::Tensor pack_linear_weight(const at::Tensor& weight) {
  check_pack_linear_weight(weight);
  if (!onednn_serves()) return at::alias(weight);
  const bool widen = weight.scalar_type() == at::kBFloat16 && !onednn_serves_bfloat16();
  return reorder((widen ? weight.to(at::kFloat) : weight).contiguous());
}

at::Tensor packed_linear(const at::Tensor& x, const at::Tensor& packed_weight, const std::optional<at::Tensor>& bias,
                         const std::optional<at::Tensor>& addend, std::optional<c10::string_view> activation_name) {
  check_packed_linear(x, packed_weight, bias, addend, activation_name);
  if (x.size(0) == 0) return at::empty({0, packed_weight.size(0)}, x.options());
  const auto activation = activation_name ? std::optional(activation_named(*activation_name)) : std::nullopt;
  // A widened product, sum and activation included, rounds once: on the way back to x's dtype.
  const at::ScalarType dtype = packed_weight.scalar_type();
  if (packed_weight.is_mkldnn()) {
    return multiply(x.to(dtype).contiguous(), packed_weight, dense(bias, dtype), dense(addend, dtype), activation)
        .to(x.scalar_type());
  }
  at::Tensor y = at::linear(x, packed_weight, bias);
  if (addend) y.add_(*addend);
  return activation ? activate(*activation, y) : y;
}

TORCH_LIBRARY_IMPL(contlm, CPU, library) {
  library.impl("pack_linear_weight", pack_linear_weight);
  library.impl("packed_linear", packed_linear);
}

// A packed weight carries a dispatch key of its own.
TORCH_LIBRARY_IMPL(contlm, MkldnnCPU, library) { library.impl("packed_linear", packed_linear); }

}  // namespace
}  // namespace contlm::ops::cpu

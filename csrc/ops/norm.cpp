#include "ops/norm.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/mean.h>
#include <ATen/ops/rsqrt.h>
#include <torch/library.h>

#include "ops/call.h"
#include "ops/require.h"

namespace contlm::ops {

at::Tensor residual_rms_norm_(const at::Tensor& residual, const std::optional<at::Tensor>& y, const at::Tensor& weight,
                              double eps, at::ScalarType dtype) {
  static const auto op = find_op<at::Tensor(const at::Tensor&, const std::optional<at::Tensor>&, const at::Tensor&,
                                            double, at::ScalarType)>("contlm::residual_rms_norm_");
  return call_op(op, residual, y, weight, eps, dtype);
}

at::Tensor residual_layer_norm_(const at::Tensor& residual, const std::optional<at::Tensor>& y,
                                const at::Tensor& weight, const at::Tensor& bias, double eps, at::ScalarType dtype) {
  static const auto op = find_op<at::Tensor(const at::Tensor&, const std::optional<at::Tensor>&, const at::Tensor&,
                                            const at::Tensor&, double, at::ScalarType)>("contlm::residual_layer_norm_");
  return call_op(op, residual, y, weight, bias, eps, dtype);
}

void head_rms_norm_(const at::Tensor& x, const at::Tensor& weight, double eps) {
  static const auto op = find_op<void(const at::Tensor&, const at::Tensor&, double)>("contlm::head_rms_norm_");
  call_op(op, x, weight, eps);
}

void check_residual_norm(const char* op, const at::Tensor& residual, const std::optional<at::Tensor>& y,
                         const at::Tensor& weight, const std::optional<at::Tensor>& bias, at::ScalarType dtype) {
  const Argument residual_argument{"residual", "[T, H]", residual}, weight_argument{"weight", "[H]", weight};
  require_shape(op, residual_argument, {kAnySize, kAnySize});
  require_shape(op, weight_argument, {residual.size(1)});
  require_dtype(op, residual_argument, at::kFloat);
  require_float32_or_bfloat16(op, weight_argument);
  require_dense_rows(op, residual_argument);
  require_same_device(op, residual, {weight_argument});
  if (y) {
    const Argument y_argument{"y", "[T, H]", *y};
    require_shape(op, y_argument, {residual.size(0), residual.size(1)});
    require_float32_or_bfloat16(op, y_argument);
    require_same_device(op, residual, {y_argument});
  }
  if (bias) {
    const Argument bias_argument{"bias", "[H]", *bias};
    require_shape(op, bias_argument, {residual.size(1)});
    require_dtype(op, bias_argument, weight.scalar_type());
    require_same_device(op, residual, {bias_argument});
  }
  CONTLM_CHECK(dtype == at::kFloat || dtype == at::kBFloat16, TypeError, op,
               ": dtype must be float32 or bfloat16, got ", c10::toString(dtype), "; ask for one of those");
}

void check_head_rms_norm(const at::Tensor& x, const at::Tensor& weight) {
  const Argument x_argument{"x", "[T, heads, D]", x}, weight_argument{"weight", "[D]", weight};
  require_shape("head_rms_norm_", x_argument, {kAnySize, kAnySize, kAnySize});
  require_shape("head_rms_norm_", weight_argument, {x.size(2)});
  require_float32_or_bfloat16("head_rms_norm_", x_argument);
  require_float32_or_bfloat16("head_rms_norm_", weight_argument);
  require_dense_rows("head_rms_norm_", x_argument);
  require_same_device("head_rms_norm_", x, {weight_argument});
}

namespace {

at::Tensor rms_norm_aten(const at::Tensor& x, const at::Tensor& weight, double eps) {
  return x * at::rsqrt(at::mean(x * x, {-1}, /*keepdim=*/true) + eps) * weight.to(at::kFloat);
}

at::Tensor residual_rms_norm_aten(const at::Tensor& residual, const std::optional<at::Tensor>& y,
                                  const at::Tensor& weight, double eps, at::ScalarType dtype) {
  check_residual_norm("residual_rms_norm_", residual, y, weight, {}, dtype);
  if (y) residual.add_(*y);
  return rms_norm_aten(residual, weight, eps).to(dtype).contiguous();
}

at::Tensor residual_layer_norm_aten(const at::Tensor& residual, const std::optional<at::Tensor>& y,
                                    const at::Tensor& weight, const at::Tensor& bias, double eps,
                                    at::ScalarType dtype) {
  check_residual_norm("residual_layer_norm_", residual, y, weight, bias, dtype);
  if (y) residual.add_(*y);
  const at::Tensor centred = residual - at::mean(residual, {-1}, /*keepdim=*/true);
  return (rms_norm_aten(centred, weight, eps) + bias.to(at::kFloat)).to(dtype).contiguous();
}

void head_rms_norm_aten(const at::Tensor& x, const at::Tensor& weight, double eps) {
  check_head_rms_norm(x, weight);
  x.copy_(rms_norm_aten(x.to(at::kFloat), weight, eps));
}

TORCH_LIBRARY_IMPL(contlm, CompositeExplicitAutograd, library) {
  library.impl("residual_rms_norm_", residual_rms_norm_aten);
  library.impl("residual_layer_norm_", residual_layer_norm_aten);
  library.impl("head_rms_norm_", head_rms_norm_aten);
}

}  // namespace
}  // namespace contlm::ops

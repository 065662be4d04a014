#include "ops/lora.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/index_select.h>
#include <torch/library.h>

#include "ops/call.h"
#include "ops/require.h"

namespace contlm::ops {

void scale_lora_(const at::Tensor& u, const at::Tensor& coeffs, const at::Tensor& anchor, const at::Tensor& scaling) {
  static const auto op =
      find_op<void(const at::Tensor&, const at::Tensor&, const at::Tensor&, const at::Tensor&)>("contlm::scale_lora_");
  call_op(op, u, coeffs, anchor, scaling);
}

void check_scale_lora(const at::Tensor& u, const at::Tensor& coeffs, const at::Tensor& anchor,
                      const at::Tensor& scaling) {
  constexpr const char* op = "scale_lora_";
  const Argument u_argument{"u", "[n, R]", u}, coeffs_argument{"coeffs", "[n, K]", coeffs};
  const Argument anchor_argument{"anchor", "[R]", anchor}, scaling_argument{"scaling", "[R]", scaling};
  require_shape(op, u_argument, {kAnySize, kAnySize});
  require_shape(op, coeffs_argument, {u.size(0), kAnySize});
  require_shape(op, anchor_argument, {u.size(1)});
  require_shape(op, scaling_argument, {u.size(1)});
  require_float32_or_bfloat16(op, u_argument);
  require_dtype(op, coeffs_argument, at::kFloat);
  require_dtype(op, anchor_argument, at::kInt);
  require_dtype(op, scaling_argument, at::kFloat);
  require_dense_rows(op, u_argument);
  require_same_device(op, u, {coeffs_argument, anchor_argument, scaling_argument});
}

namespace {

void scale_lora_aten(const at::Tensor& u, const at::Tensor& coeffs, const at::Tensor& anchor,
                     const at::Tensor& scaling) {
  check_scale_lora(u, coeffs, anchor, scaling);
  u.copy_(u.to(at::kFloat) * (at::index_select(coeffs, 1, anchor) * scaling));
}

TORCH_LIBRARY_IMPL(contlm, CompositeExplicitAutograd, library) { library.impl("scale_lora_", scale_lora_aten); }

}  // namespace
}  // namespace contlm::ops

#include <ATen/ops/empty.h>
#include <torch/library.h>

#include "ops/cpu/views.h"
#include "ops/norm.h"

namespace contlm::ops::cpu {
namespace {

at::Tensor normalise(const at::Tensor& residual, const std::optional<at::Tensor>& y, const at::Tensor& weight,
                     const std::optional<at::Tensor>& bias, double eps, at::ScalarType dtype) {
  const at::Tensor dense_weight = weight.contiguous();
  const std::optional<at::Tensor> dense_y = y ? std::optional(with_dense_rows(*y)) : std::nullopt;
  const std::optional<at::Tensor> dense_bias = bias ? std::optional(bias->contiguous()) : std::nullopt;
  at::Tensor out = at::empty(residual.sizes(), residual.options().dtype(dtype));
  const kernels::ResidualNormArgs args{
      .residual = rows(residual),
      .y = dense_y ? const_rows(*dense_y) : kernels::ConstRowsView{nullptr, 0},
      .y_storage = dense_y ? storage_of(*dense_y) : kernels::Storage::kFloat32,
      .weight = dense_weight.const_data_ptr(),
      .bias = dense_bias ? dense_bias->const_data_ptr() : nullptr,
      .weight_storage = storage_of(dense_weight),
      .out = rows(out),
      .out_storage = storage_of(out),
      .width = residual.size(1),
      .eps = static_cast<float>(eps),
  };
  const auto kernel = kernels::kernels().residual_norm;
  for_row_ranges(residual.size(0), residual.size(1), [&](kernels::Rows range) { kernel(args, range); });
  return out;
}

at::Tensor residual_rms_norm_(const at::Tensor& residual, const std::optional<at::Tensor>& y, const at::Tensor& weight,
                              double eps, at::ScalarType dtype) {
  check_residual_norm("residual_rms_norm_", residual, y, weight, {}, dtype);
  return normalise(residual, y, weight, {}, eps, dtype);
}

at::Tensor residual_layer_norm_(const at::Tensor& residual, const std::optional<at::Tensor>& y,
                                const at::Tensor& weight, const at::Tensor& bias, double eps, at::ScalarType dtype) {
  check_residual_norm("residual_layer_norm_", residual, y, weight, bias, dtype);
  return normalise(residual, y, weight, bias, eps, dtype);
}

void head_rms_norm_(const at::Tensor& x, const at::Tensor& weight, double eps) {
  check_head_rms_norm(x, weight);
  const at::Tensor dense_weight = weight.contiguous();
  const kernels::HeadRmsNormArgs args{heads(x), dense_weight.const_data_ptr(), storage_of(dense_weight),
                                      static_cast<float>(eps)};
  const auto kernel = kernels::kernels().head_rms_norm[index_of(x)];
  for_row_ranges(x.size(0) * x.size(1), x.size(2), [&](kernels::Rows range) { kernel(args, range); });
}

TORCH_LIBRARY_IMPL(contlm, CPU, library) {
  library.impl("residual_rms_norm_", residual_rms_norm_);
  library.impl("residual_layer_norm_", residual_layer_norm_);
  library.impl("head_rms_norm_", head_rms_norm_);
}

}  // namespace
}  // namespace contlm::ops::cpu

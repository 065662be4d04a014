#include <torch/library.h>

#include "ops/cpu/views.h"
#include "ops/error.h"
#include "ops/lora.h"

namespace contlm::ops::cpu {
namespace {

void scale_lora_(const at::Tensor& u, const at::Tensor& coeffs, const at::Tensor& anchor, const at::Tensor& scaling) {
  check_scale_lora(u, coeffs, anchor, scaling);
  const at::Tensor dense_coeffs = with_dense_rows(coeffs);
  const at::Tensor dense_anchor = anchor.contiguous(), dense_scaling = scaling.contiguous();
  const auto* anchors = dense_anchor.const_data_ptr<std::int32_t>();
  for (std::int64_t r = 0; r < u.size(1); ++r) {
    CONTLM_CHECK(anchors[r] >= 0 && anchors[r] < coeffs.size(1), ValueError,
                 "scale_lora_: anchor must lie in [0, K) with K = ", coeffs.size(1), ", got ", anchors[r], " at rank ",
                 r, "; pass the coefficients of every anchor");
  }
  const kernels::ScaleLoraArgs args{rows(u), const_rows(dense_coeffs), anchors, dense_scaling.const_data_ptr<float>(),
                                    u.size(1)};
  const auto kernel = kernels::kernels().scale_lora[index_of(u)];
  for_row_ranges(u.size(0), u.size(1), [&](kernels::Rows range) { kernel(args, range); });
}

TORCH_LIBRARY_IMPL(contlm, CPU, library) { library.impl("scale_lora_", scale_lora_); }

}  // namespace
}  // namespace contlm::ops::cpu

#include <ATen/ops/empty.h>
#include <torch/library.h>

#include "ops/activation.h"
#include "ops/cpu/views.h"

namespace contlm::ops::cpu {
namespace {

at::Tensor silu_mul(const at::Tensor& gate, const at::Tensor& up) {
  check_silu_mul(gate, up);
  const at::Tensor dense_gate = with_dense_rows(gate), dense_up = with_dense_rows(up);
  at::Tensor out = at::empty(gate.sizes(), gate.options());
  const kernels::SiluMulArgs args{const_rows(dense_gate), const_rows(dense_up), rows(out), gate.size(1)};
  const auto kernel = kernels::kernels().silu_mul[index_of(gate)];
  for_row_ranges(gate.size(0), gate.size(1), [&](kernels::Rows range) { kernel(args, range); });
  return out;
}

TORCH_LIBRARY_IMPL(contlm, CPU, library) { library.impl("silu_mul", silu_mul); }

}  // namespace
}  // namespace contlm::ops::cpu

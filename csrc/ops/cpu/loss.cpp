#include <ATen/ops/empty.h>
#include <torch/library.h>

#include "ops/cpu/views.h"
#include "ops/error.h"
#include "ops/loss.h"

namespace contlm::ops::cpu {
namespace {

float value_at(const at::Tensor& logits, std::int64_t row, std::int64_t column) {
  const std::int64_t place = row * logits.stride(0) + column;
  if (logits.scalar_type() == at::kFloat) return logits.const_data_ptr<float>()[place];
  return static_cast<float>(logits.const_data_ptr<at::BFloat16>()[place]);
}

at::Tensor target_nll(const at::Tensor& logits, const at::Tensor& targets) {
  check_target_nll(logits, targets);
  const at::Tensor dense_targets = targets.contiguous();
  const auto* target = dense_targets.const_data_ptr<std::int64_t>();
  const std::int64_t count = logits.size(0), vocabulary = logits.size(1);
  for (std::int64_t row = 0; row < count; ++row)
    CONTLM_CHECK(target[row] >= 0 && target[row] < vocabulary, ValueError,
                 "target_nll: targets must lie in [0, V) with V = ", vocabulary, ", got ", target[row], " in row ", row,
                 "; pass ids of this vocabulary");
  at::Tensor nll = at::empty({count}, logits.options().dtype(at::kFloat));
  auto* out = nll.mutable_data_ptr<float>();
  const auto log_sum_exp = kernels::kernels().log_sum_exp[index_of(logits)];
  const auto* data = static_cast<const char*>(logits.const_data_ptr());
  const std::int64_t row_bytes = logits.stride(0) * logits.element_size();
  for_row_ranges(count, vocabulary, [&](kernels::Rows range) {
    for (std::int64_t row = range.begin; row < range.end; ++row)
      out[row] = static_cast<float>(log_sum_exp(data + row * row_bytes, vocabulary) -
                                    static_cast<double>(value_at(logits, row, target[row])));
  });
  return nll;
}

TORCH_LIBRARY_IMPL(contlm, CPU, library) { library.impl("target_nll", target_nll); }

}  // namespace
}  // namespace contlm::ops::cpu

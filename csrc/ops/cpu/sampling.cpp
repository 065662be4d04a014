#include "kernels/cpu/sampling.h"

#include <ATen/ops/empty.h>
#include <torch/library.h>

#include "ops/cpu/views.h"
#include "ops/error.h"
#include "ops/sampling.h"

namespace contlm::ops::cpu {
namespace {

at::Tensor sample(const at::Tensor& logits, const at::Tensor& uniform, bool do_sample, double temperature,
                  std::int64_t top_k, double top_p, double min_p) {
  check_sample(logits, uniform, {do_sample, temperature, top_k, top_p, min_p});
  const at::Tensor dense_uniform = uniform.contiguous();
  const auto* uniforms = dense_uniform.const_data_ptr<double>();
  const std::int64_t count = logits.size(0), vocabulary = logits.size(1);
  for (std::int64_t row = 0; do_sample && row < count; ++row) {
    CONTLM_CHECK(uniforms[row] >= 0.0 && uniforms[row] < 1.0, ValueError, "sample: uniform must lie in [0, 1), got ",
                 uniforms[row], " in row ", row, "; pass uniform random numbers");
  }
  at::Tensor tokens = at::empty({count}, logits.options().dtype(at::kLong));
  auto* drawn = tokens.mutable_data_ptr<std::int64_t>();
  const auto* data = logits.const_data_ptr<float>();
  const kernels::SamplingFilter filter{static_cast<float>(temperature), top_k, top_p, min_p};
  for_row_ranges(count, vocabulary, [&](kernels::Rows range) {
    for (std::int64_t row = range.begin; row < range.end; ++row) {
      const float* row_logits = data + row * logits.stride(0);
      drawn[row] = do_sample ? kernels::draw_token(row_logits, vocabulary, uniforms[row], filter)
                             : kernels::first_maximum(row_logits, vocabulary);
    }
  });
  for (std::int64_t row = 0; row < count; ++row) {
    CONTLM_CHECK(drawn[row] >= 0, ValueError, "sample: every row of logits must have a finite maximum and no NaN, row ",
                 row, " does not; look for overflow or NaN in the weights or the coefficients");
  }
  return tokens;
}

void apply_repetition_penalty_(const at::Tensor& logits, const at::Tensor& offsets, const at::Tensor& tokens,
                               double penalty) {
  check_apply_repetition_penalty(logits, offsets, tokens, penalty);
  const at::Tensor dense_offsets = offsets.contiguous(), dense_tokens = tokens.contiguous();
  const auto* bounds = dense_offsets.const_data_ptr<std::int64_t>();
  const auto* listed = dense_tokens.const_data_ptr<std::int64_t>();
  for (std::int64_t row = 0; row < logits.size(0); ++row) {
    CONTLM_CHECK(bounds[row] >= 0 && bounds[row] <= bounds[row + 1] && bounds[row + 1] <= tokens.size(0), ValueError,
                 "apply_repetition_penalty_: offsets must rise from 0 to at most the number of tokens ", tokens.size(0),
                 ", got ", bounds[row], " then ", bounds[row + 1], " in row ", row, "; pass running lengths");
  }
  for (std::int64_t i = 0; i < tokens.size(0); ++i) {
    CONTLM_CHECK(listed[i] >= 0 && listed[i] < logits.size(1), ValueError,
                 "apply_repetition_penalty_: tokens must lie in [0, V) with V = ", logits.size(1), ", got ", listed[i],
                 "; pass ids of this vocabulary");
  }
  auto* data = logits.mutable_data_ptr<float>();
  for (std::int64_t row = 0; row < logits.size(0); ++row) {
    kernels::apply_repetition_penalty(data + row * logits.stride(0), listed + bounds[row],
                                      bounds[row + 1] - bounds[row], static_cast<float>(penalty));
  }
}

TORCH_LIBRARY_IMPL(contlm, CPU, library) {
  library.impl("sample", sample);
  library.impl("apply_repetition_penalty_", apply_repetition_penalty_);
}

}  // namespace
}  // namespace contlm::ops::cpu

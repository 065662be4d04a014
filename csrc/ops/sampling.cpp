#include "ops/sampling.h"

#include <cmath>

#include <torch/library.h>

#include "ops/call.h"
#include "ops/require.h"

namespace contlm::ops {
namespace {

using SampleSignature = at::Tensor(const at::Tensor&, const at::Tensor&, bool, double, std::int64_t, double, double);
using PenaltySignature = void(const at::Tensor&, const at::Tensor&, const at::Tensor&, double);

}  // namespace

at::Tensor sample(const at::Tensor& logits, const at::Tensor& uniform, const SamplingParams& params) {
  static const auto op = find_op<SampleSignature>("contlm::sample");
  return call_op(op, logits, uniform, params.do_sample, params.temperature, params.top_k, params.top_p, params.min_p);
}

void apply_repetition_penalty_(const at::Tensor& logits, const at::Tensor& offsets, const at::Tensor& tokens,
                               double penalty) {
  static const auto op = find_op<PenaltySignature>("contlm::apply_repetition_penalty_");
  call_op(op, logits, offsets, tokens, penalty);
}

void check_sample(const at::Tensor& logits, const at::Tensor& uniform, const SamplingParams& params) {
  constexpr const char* op = "sample";
  const Argument logits_argument{"logits", "[n, V]", logits}, uniform_argument{"uniform", "[n]", uniform};
  require_shape(op, logits_argument, {kAnySize, kAnySize});
  require_shape(op, uniform_argument, {logits.size(0)});
  require_dtype(op, logits_argument, at::kFloat);
  require_dtype(op, uniform_argument, at::kDouble);
  require_dense_rows(op, logits_argument);
  require_same_device(op, logits, {uniform_argument});
  CONTLM_CHECK(logits.size(1) > 0, ValueError, op, ": logits must hold at least one token, got ", describe(logits),
               "; pass the model's logits");
  if (!params.do_sample) return;
  CONTLM_CHECK(std::isfinite(params.temperature) && params.temperature > 0.0, ValueError, op,
               ": temperature must be a finite number above 0, got ", params.temperature,
               "; use do_sample=False for the most probable token");
  CONTLM_CHECK(params.top_k >= 0, ValueError, op, ": top_k must be at least 0, got ", params.top_k,
               "; use 0 for no limit");
  CONTLM_CHECK(params.top_p >= 0.0 && params.top_p <= 1.0, ValueError, op, ": top_p must lie in [0, 1], got ",
               params.top_p, "; use 1 for no limit");
  CONTLM_CHECK(params.min_p >= 0.0 && params.min_p <= 1.0, ValueError, op, ": min_p must lie in [0, 1], got ",
               params.min_p, "; use 0 for no limit");
}

void check_apply_repetition_penalty(const at::Tensor& logits, const at::Tensor& offsets, const at::Tensor& tokens,
                                    double penalty) {
  constexpr const char* op = "apply_repetition_penalty_";
  const Argument logits_argument{"logits", "[n, V]", logits};
  const Argument offsets_argument{"offsets", "[n + 1]", offsets}, tokens_argument{"tokens", "[any]", tokens};
  require_shape(op, logits_argument, {kAnySize, kAnySize});
  require_shape(op, offsets_argument, {logits.size(0) + 1});
  require_shape(op, tokens_argument, {kAnySize});
  require_dtype(op, logits_argument, at::kFloat);
  require_dtype(op, offsets_argument, at::kLong);
  require_dtype(op, tokens_argument, at::kLong);
  require_dense_rows(op, logits_argument);
  require_same_device(op, logits, {offsets_argument, tokens_argument});
  CONTLM_CHECK(std::isfinite(penalty) && penalty > 0.0, ValueError, op,
               ": penalty must be a finite number above 0, got ", penalty, "; use 1 for none");
}

namespace {

at::Tensor sample_on_host(const at::Tensor& logits, const at::Tensor& uniform, bool do_sample, double temperature,
                          std::int64_t top_k, double top_p, double min_p) {
  const SamplingParams params{do_sample, temperature, top_k, top_p, min_p};
  return sample(logits.cpu(), uniform.cpu(), params).to(logits.device());
}

void apply_repetition_penalty_on_host(const at::Tensor& logits, const at::Tensor& offsets, const at::Tensor& tokens,
                                      double penalty) {
  const at::Tensor host = logits.cpu();
  apply_repetition_penalty_(host, offsets.cpu(), tokens.cpu(), penalty);
  logits.copy_(host);
}

TORCH_LIBRARY_IMPL(contlm, CompositeExplicitAutograd, library) {
  library.impl("sample", sample_on_host);
  library.impl("apply_repetition_penalty_", apply_repetition_penalty_on_host);
}

}  // namespace
}  // namespace contlm::ops

#include "ops/loss.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/gather.h>
#include <ATen/ops/logsumexp.h>
#include <torch/library.h>

#include "ops/call.h"
#include "ops/require.h"

namespace contlm::ops {

at::Tensor target_nll(const at::Tensor& logits, const at::Tensor& targets) {
  static const auto op = find_op<at::Tensor(const at::Tensor&, const at::Tensor&)>("contlm::target_nll");
  return call_op(op, logits, targets);
}

void check_target_nll(const at::Tensor& logits, const at::Tensor& targets) {
  constexpr const char* op = "target_nll";
  const Argument logits_argument{"logits", "[n, V]", logits}, targets_argument{"targets", "[n]", targets};
  require_shape(op, logits_argument, {kAnySize, kAnySize});
  require_shape(op, targets_argument, {logits.size(0)});
  require_float32_or_bfloat16(op, logits_argument);
  require_dtype(op, targets_argument, at::kLong);
  require_dense_rows(op, logits_argument);
  require_same_device(op, logits, {targets_argument});
}

namespace {

at::Tensor target_nll_aten(const at::Tensor& logits, const at::Tensor& targets) {
  check_target_nll(logits, targets);
  const at::Tensor wide = logits.to(at::kDouble);
  return (at::logsumexp(wide, {1}) - at::gather(wide, 1, targets.unsqueeze(1)).squeeze(1)).to(at::kFloat);
}

TORCH_LIBRARY_IMPL(contlm, CompositeExplicitAutograd, library) { library.impl("target_nll", target_nll_aten); }

}  // namespace
}  // namespace contlm::ops

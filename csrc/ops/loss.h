// The loss of a language model at tokens that are known.
#pragma once

#include <ATen/core/Tensor.h>

namespace contlm::ops {

// nll[i] = log sum_v exp(logits[i, v]) - logits[i, targets[i]] = -log softmax(logits[i])[targets[i]], summed in double.
// logits [n, V] fp32 or bf16, rows of any stride; targets [n] int64 in [0, V) -> [n] fp32.
at::Tensor target_nll(const at::Tensor& logits, const at::Tensor& targets);

// What each op asks of its arguments (ops/require.h).
void check_target_nll(const at::Tensor& logits, const at::Tensor& targets);

}  // namespace contlm::ops

// Drawing the next tokens from logits. The sums run on the host, in double and in the order of token ids, so that a
// draw does not depend on the device's reductions.
#pragma once

#include <cstdint>

#include <ATen/core/Tensor.h>

namespace contlm::ops {

struct SamplingParams {
  bool do_sample = true;
  double temperature = 1.0;  // > 0
  std::int64_t top_k = 0;    // 0: no limit
  double top_p = 1.0;        // in [0, 1]; 1: no limit
  double min_p = 0.0;        // in [0, 1]; 0: no limit
};

// logits [n, V] fp32, rows of any stride; uniform [n] float64 in [0, 1) -> token ids [n] int64 on the logits' device.
// Without do_sample: the first maximum. With it: softmax(logits / temperature) is cut by top_k (values equal to the
// k-th largest stay), then top_p (the most probable tokens up to and with the one that takes their mass to top_p; among
// equals the higher id), then min_p (no token below min_p times the largest probability), as transformers' warpers cut
// it; the draw is the smallest token id whose cumulative probability exceeds uniform * total.
at::Tensor sample(const at::Tensor& logits, const at::Tensor& uniform, const SamplingParams& params);

// logits[i, t] <- logits[i, t] < 0 ? logits[i, t] * penalty : logits[i, t] / penalty, once for every distinct token t
// in tokens[offsets[i] : offsets[i + 1]], in place. logits [n, V] fp32; offsets [n + 1], tokens int64; penalty > 0.
void apply_repetition_penalty_(const at::Tensor& logits, const at::Tensor& offsets, const at::Tensor& tokens,
                               double penalty);

// What each op asks of its arguments (ops/require.h).
void check_sample(const at::Tensor& logits, const at::Tensor& uniform, const SamplingParams& params);
void check_apply_repetition_penalty(const at::Tensor& logits, const at::Tensor& offsets, const at::Tensor& tokens,
                                    double penalty);

}  // namespace contlm::ops

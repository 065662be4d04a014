// Drawing the next token from a row of logits, on the host.
#pragma once

#include <cstdint>

namespace contlm::kernels {

struct SamplingFilter {
  float temperature;
  std::int64_t top_k;
  double top_p;
  double min_p;
};

// The first position of the largest value; -1 where there is no number above -infinity.
std::int64_t first_maximum(const float* logits, std::int64_t count);

// The token at `uniform` in [0, 1) of the filtered distribution, its probabilities summed in the order of token ids; -1
// where the logits have no finite maximum or hold a NaN.
std::int64_t draw_token(const float* logits, std::int64_t count, double uniform, const SamplingFilter& filter);

// l < 0 ? l * penalty : l / penalty for every distinct token that is listed.
void apply_repetition_penalty(float* logits, const std::int64_t* tokens, std::int64_t count, float penalty);

}  // namespace contlm::kernels

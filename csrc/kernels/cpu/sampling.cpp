// The filters are transformers' logits warpers, in their order: temperature, TopKLogitsWarper, TopPLogitsWarper,
// MinPLogitsWarper. None of them sorts the vocabulary: each first rules out, by a bound that can be proved, all but a
// few candidates. Weights are exp((logit - max) / temperature), so a filter that compares probabilities compares
// weights.
#include "kernels/cpu/sampling.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "kernels/cpu/dispatch.h"

namespace contlm::kernels {
namespace {

struct Candidate {
  float weight;
  std::int32_t token;
};

// What a thread needs to draw from one row; kept between rows.
struct Workspace {
  std::vector<float> weights;
  std::vector<double> block_sums;
  std::vector<float> ordered;
  std::vector<std::int32_t> tokens;
  std::vector<Candidate> candidates;
};

Workspace& workspace() {
  thread_local Workspace space;
  return space;
}

double total(const std::vector<double>& block_sums) {
  double sum = 0.0;
  for (const double block : block_sums) sum += block;
  return sum;
}

// The smallest token whose cumulative weight exceeds `target`, from whole blocks and then within one.
std::int64_t invert(const std::vector<float>& weights, const std::vector<double>& block_sums, double target) {
  const auto count = static_cast<std::int64_t>(weights.size());
  double sum = 0.0;
  std::int64_t last_possible = -1;
  for (std::size_t block = 0; block < block_sums.size(); ++block) {
    const std::int64_t begin = static_cast<std::int64_t>(block) * kWeightBlock;
    const std::int64_t end = std::min(begin + kWeightBlock, count);
    const bool last_block = end == count;
    if (sum + block_sums[block] <= target && !last_block) {
      sum += block_sums[block];
      continue;
    }
    for (std::int64_t token = begin; token < end; ++token) {
      sum += weights[token];
      if (weights[token] > 0.0f) last_possible = token;
      if (sum > target) return token;
    }
    if (last_possible >= 0) return last_possible;
  }
  // The last block was empty of weight and rounding carried the target past all others.
  for (std::int64_t token = count - 1; token >= 0; --token) {
    if (weights[token] > 0.0f) return token;
  }
  return -1;
}

// The k-th largest value. Each block's maximum is a value, so the k-th largest of those bounds it from below and few
// values reach that bound.
float kth_largest(const float* logits, std::int64_t count, std::int64_t k, Workspace& space) {
  constexpr std::int64_t kBlock = 64;
  const auto descending = std::greater<float>();
  std::vector<float>& values = space.ordered;
  if (const std::int64_t blocks = count / kBlock; blocks >= 2 * k) {
    values.resize(blocks);
    for (std::int64_t b = 0; b < blocks; ++b) values[b] = kernels().max_value(logits + b * kBlock, kBlock);
    std::nth_element(values.begin(), values.begin() + (k - 1), values.end(), descending);
    space.tokens.resize(count);
    const std::int64_t found = kernels().select_at_least(logits, count, values[k - 1], space.tokens.data());
    values.resize(found);
    for (std::int64_t i = 0; i < found; ++i) values[i] = logits[space.tokens[i]];
  } else {
    values.assign(logits, logits + count);
  }
  std::nth_element(values.begin(), values.begin() + (k - 1), values.end(), descending);
  return values[k - 1];
}

void select(const float* values, std::int64_t count, float bound, std::vector<std::int32_t>& tokens) {
  tokens.resize(count);
  tokens.resize(kernels().select_at_least(values, count, bound, tokens.data()));
}

// Among equal weights the higher id comes first, as an ascending stable sort leaves it last.
bool likelier(const Candidate& a, const Candidate& b) {
  return a.weight != b.weight ? a.weight > b.weight : a.token > b.token;
}

// The last candidate, from the likeliest down, that is needed to reach `target`: quickselect by mass, so that the
// candidates on the wrong side of each pivot are never looked at again.
Candidate last_kept(std::vector<Candidate>& candidates, double target) {
  auto first = candidates.begin(), last = candidates.end();
  double kept = 0.0;
  while (last - first > 1) {
    const Candidate low = *first, middle = first[(last - first) / 2], high = *(last - 1);
    const Candidate pivot =
        std::max(std::min(low, middle, likelier), std::min(std::max(low, middle, likelier), high, likelier), likelier);
    const auto bound = std::partition(first, last, [&](const Candidate& c) { return likelier(c, pivot); });
    double above = 0.0;
    for (auto c = first; c != bound; ++c) above += c->weight;
    if (bound != first && kept + above >= target) {
      last = bound;
      continue;
    }
    kept += above + pivot.weight;
    if (kept >= target) return pivot;
    std::iter_swap(bound, std::find_if(bound, last, [&](const Candidate& c) { return c.token == pivot.token; }));
    first = bound + 1;
    if (first == last) return pivot;
  }
  return *first;
}

// Keeps the most probable tokens up to and with the one that takes their mass to top_p.
void keep_top_p(double mass, double top_p, Workspace& space) {
  space.candidates.clear();
  for (const std::int32_t token : space.tokens) space.candidates.push_back({space.weights[token], token});
  const Candidate last = last_kept(space.candidates, top_p * mass);
  std::erase_if(space.tokens,
                [&](std::int32_t token) { return likelier(last, Candidate{space.weights[token], token}); });
}

// Candidates that pass the filters, ascending; their weights are in space.weights. `mass` is the weight of all tokens.
void filter_tokens(const float* logits, std::int64_t count, double mass, const SamplingFilter& filter,
                   Workspace& space) {
  const bool limits_p = filter.top_p < 1.0;
  if (filter.top_k > 0 && filter.top_k < count) {
    select(logits, count, kth_largest(logits, count, filter.top_k, space), space.tokens);
    mass = 0.0;
    for (const std::int32_t token : space.tokens) mass += space.weights[token];
  } else if (limits_p) {
    // All tokens no likelier than this sum to at most (1 - top_p) of the mass, so they are out. The margin is for
    // rounding.
    const double bound = (1.0 - filter.top_p) * mass / static_cast<double>(count) * (1.0 - 1e-6);
    select(space.weights.data(), count, static_cast<float>(std::min(bound, 1.0)), space.tokens);
  } else {
    select(space.weights.data(), count, static_cast<float>(filter.min_p), space.tokens);
  }
  if (limits_p) keep_top_p(mass, filter.top_p, space);
  if (filter.min_p > 0.0) {
    // The largest weight is 1.
    std::erase_if(space.tokens, [&](std::int32_t token) { return space.weights[token] < filter.min_p; });
  }
}

}  // namespace

std::int64_t first_maximum(const float* logits, std::int64_t count) {
  const float largest = kernels().max_value(logits, count);
  return std::isinf(largest) && largest < 0.0f ? -1 : kernels().find_first(logits, count, largest);
}

std::int64_t draw_token(const float* logits, std::int64_t count, double uniform, const SamplingFilter& filter) {
  Workspace& space = workspace();
  const float largest = kernels().max_value(logits, count);
  if (!std::isfinite(largest)) return -1;
  space.weights.resize(count);
  space.block_sums.resize((count + kWeightBlock - 1) / kWeightBlock);
  kernels().exp_weights(logits, count, largest, 1.0f / filter.temperature, space.weights.data(),
                        space.block_sums.data());
  const double mass = total(space.block_sums);
  if (!(mass > 0.0)) return -1;
  const bool filters = (filter.top_k > 0 && filter.top_k < count) || filter.top_p < 1.0 || filter.min_p > 0.0;
  if (!filters) return invert(space.weights, space.block_sums, uniform * mass);
  filter_tokens(logits, count, mass, filter, space);
  double kept_mass = 0.0;
  for (const std::int32_t token : space.tokens) kept_mass += space.weights[token];
  const double target = uniform * kept_mass;
  double sum = 0.0;
  for (const std::int32_t token : space.tokens) {
    sum += space.weights[token];
    if (sum > target) return token;
  }
  return space.tokens.empty() ? -1 : space.tokens.back();
}

void apply_repetition_penalty(float* logits, const std::int64_t* tokens, std::int64_t count, float penalty) {
  // Gathered before anything is written, so a token that is listed twice is penalised once.
  thread_local std::vector<float> penalised;
  penalised.resize(count);
  for (std::int64_t i = 0; i < count; ++i) {
    const float logit = logits[tokens[i]];
    penalised[i] = logit < 0.0f ? logit * penalty : logit / penalty;
  }
  for (std::int64_t i = 0; i < count; ++i) logits[tokens[i]] = penalised[i];
}

}  // namespace contlm::kernels

// The vector passes that drawing a token is made of (sampling.cpp puts them together).
#pragma once

#include "kernels/cpu/vec.h"

namespace contlm::kernels {
namespace {

constexpr float kMinusInfinity = -__builtin_inff();

float max_value_kernel(const float* values, std::int64_t count) {
  constexpr int kRunning = 4;
  FloatVec largest[kRunning];
  for (auto& lanes : largest) lanes = splat(kMinusInfinity);
  std::int64_t i = 0;
  for (; i + kRunning * kLanes <= count; i += kRunning * kLanes) {
#pragma GCC unroll 4
    for (int k = 0; k < kRunning; ++k) largest[k] = max(load(values + i + k * kLanes), largest[k]);
  }
  float result = reduce_max(max(max(largest[0], largest[1]), max(largest[2], largest[3])));
  for (; i < count; ++i) result = values[i] > result ? values[i] : result;
  return result;
}

CONTLM_INLINE bool any(IntVec mask) {
  const auto wide = __builtin_bit_cast(FloatVec, mask & 0x3F800000);
  return reduce_add(wide) > 0.0f;
}

std::int64_t find_first_kernel(const float* values, std::int64_t count, float value) {
  std::int64_t i = 0;
  for (; i + kLanes <= count && !any(load(values + i) == value); i += kLanes) {
  }
  for (; i < count; ++i) {
    if (values[i] == value) return i;
  }
  return -1;
}

using DoubleVec = double __attribute__((vector_size(kVecBytes)));

template <std::size_t... kLane>
CONTLM_INLINE DoubleVec widened_pairs(FloatVec x, std::index_sequence<kLane...>) {
  return __builtin_convertvector(__builtin_shufflevector(x, x, static_cast<int>(kLane)...), DoubleVec) +
         __builtin_convertvector(__builtin_shufflevector(x, x, static_cast<int>(kLane + kLanes / 2)...), DoubleVec);
}

void exp_weights_kernel(const float* logits, std::int64_t count, float largest, float inverse_temperature,
                        float* weights, double* block_sums) {
  for (std::int64_t block = 0; block < count; block += kWeightBlock) {
    const std::int64_t size = count - block < kWeightBlock ? count - block : kWeightBlock;
    DoubleVec sums = {};
    for_each_vec(size, [&](std::int64_t i, auto lanes) __attribute__((always_inline)) {
      const FloatVec weight = exp_nonpositive((load(logits + block + i, lanes) - largest) * inverse_temperature);
      store(weights + block + i, weight, lanes);
      // Lanes past the end are dropped by reading back what was stored.
      sums = sums + widened_pairs(load(weights + block + i, lanes), std::make_index_sequence<kLanes / 2>());
    });
    double sum = 0.0;
    for (int lane = 0; lane < kLanes / 2; ++lane) sum += sums[lane];
    block_sums[block / kWeightBlock] = sum;
  }
}

std::int64_t select_at_least_kernel(const float* values, std::int64_t count, float bound, std::int32_t* positions) {
  std::int64_t found = 0, i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    if (!any(load(values + i) >= bound)) continue;
    for (int lane = 0; lane < kLanes; ++lane) {
      positions[found] = static_cast<std::int32_t>(i + lane);
      found += values[i + lane] >= bound;
    }
  }
  for (; i < count; ++i) {
    if (values[i] >= bound) positions[found++] = static_cast<std::int32_t>(i);
  }
  return found;
}

}  // namespace
}  // namespace contlm::kernels

// log sum exp over a row of logits, the only thing that a loss needs of all of them.
#pragma once

#include "kernels/cpu/vec.h"

namespace contlm::kernels {
namespace {

// fp32 sums stay this short; the rest is summed in double.
constexpr std::int64_t kSummedInFloat = 1024;

template <typename T>
double log_sum_exp_kernel(const void* data, std::int64_t count) {
  const T* values = static_cast<const T*>(data);
  FloatVec largest_lanes = splat(-__builtin_inff());
  float largest = -__builtin_inff();
  std::int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) largest_lanes = max(load(values + i), largest_lanes);
  for (; i < count; ++i) largest = to_float(values[i]) > largest ? to_float(values[i]) : largest;
  const float last = reduce_max(largest_lanes);
  largest = last > largest ? last : largest;

  double sum = 0.0;
  for (std::int64_t block = 0; block < count; block += kSummedInFloat) {
    const std::int64_t end = count - block < kSummedInFloat ? count : block + kSummedInFloat;
    FloatVec lanes_sum = {};
    for (i = block; i + kLanes <= end; i += kLanes) lanes_sum = lanes_sum + exp_nonpositive(load(values + i) - largest);
    sum += static_cast<double>(reduce_add(lanes_sum));
    for (; i < end; ++i) sum += static_cast<double>(exp_nonpositive(splat(to_float(values[i]) - largest))[0]);
  }
  return static_cast<double>(largest) + __builtin_log(sum);
}

}  // namespace
}  // namespace contlm::kernels

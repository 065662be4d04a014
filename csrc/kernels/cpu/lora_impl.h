// scale_lora_ over rows. Ranks of one anchor are usually neighbours, so most vectors of ranks share one coefficient:
// that is found out once per panel of ranks, and the rows then run over the panel.
#pragma once

#include "kernels/cpu/vec.h"

namespace contlm::kernels {
namespace {

constexpr std::int64_t kPanelVectors = 32;

CONTLM_INLINE bool one_anchor(const std::int32_t* anchor) {
  bool same = true;
  for (int i = 1; i < kLanes; ++i) same &= anchor[i] == anchor[0];
  return same;
}

CONTLM_INLINE FloatVec gather(const float* coeffs, const std::int32_t* anchor, AllLanes) {
  float values[kLanes];
  for (int i = 0; i < kLanes; ++i) values[i] = coeffs[anchor[i]];
  return load(values);
}

CONTLM_INLINE FloatVec gather(const float* coeffs, const std::int32_t* anchor, FirstLanes lanes) {
  float values[kLanes] = {};
  for (int i = 0; i < lanes.count; ++i) values[i] = coeffs[anchor[i]];
  return load(values);
}

template <typename T>
void scale_lora_kernel(const ScaleLoraArgs& args, Rows rows) {
  const auto* all_coeffs = static_cast<const float*>(args.coeffs.data);
  for (std::int64_t panel = 0; panel < args.rank; panel += kPanelVectors * kLanes) {
    const std::int64_t width = args.rank - panel < kPanelVectors * kLanes ? args.rank - panel : kPanelVectors * kLanes;
    const std::int32_t* anchor = args.anchor + panel;
    const float* scaling = args.scaling + panel;
    bool shared[kPanelVectors];
    for (std::int64_t i = 0; i + kLanes <= width; i += kLanes) shared[i / kLanes] = one_anchor(anchor + i);
    for (std::int64_t row = rows.begin; row < rows.end; ++row) {
      const float* coeffs = all_coeffs + row * args.coeffs.stride;
      T* u = static_cast<T*>(args.u.data) + row * args.u.stride + panel;
      for_each_vec(width, [&](std::int64_t i, auto lanes) __attribute__((always_inline)) {
        const bool whole = i + kLanes <= width;
        const FloatVec coefficient =
            whole && shared[i / kLanes] ? splat(coeffs[anchor[i]]) : gather(coeffs, anchor + i, lanes);
        store(u + i, load(u + i, lanes) * (coefficient * load(scaling + i, lanes)), lanes);
      });
    }
  }
}

}  // namespace
}  // namespace contlm::kernels

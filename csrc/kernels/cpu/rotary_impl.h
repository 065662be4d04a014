// rotary_ over the heads of tokens.
#pragma once

#include "kernels/cpu/vec.h"

namespace contlm::kernels {
namespace {

template <typename T>
void rotary_kernel(const RotaryArgs& args, Rows rows) {
  const std::int64_t half = args.x.head_dim / 2;
  for (std::int64_t row = rows.begin; row < rows.end; ++row) {
    const std::int64_t token = row / args.x.heads;
    T* low = static_cast<T*>(args.x.data) + token * args.x.token_stride + row % args.x.heads * args.x.head_stride;
    T* high = low + half;
    const float* cos = static_cast<const float*>(args.cos.data) + token * args.cos.stride;
    const float* sin = static_cast<const float*>(args.sin.data) + token * args.sin.stride;
    for_each_vec(half, [&](std::int64_t i, auto lanes) __attribute__((always_inline)) {
      const FloatVec a = load(low + i, lanes), b = load(high + i, lanes);
      const FloatVec c = load(cos + i, lanes), s = load(sin + i, lanes);
      store(low + i, a * c - b * s, lanes);
      store(high + i, b * c + a * s, lanes);
    });
  }
}

}  // namespace
}  // namespace contlm::kernels

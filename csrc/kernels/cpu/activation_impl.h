// silu_mul over rows.
#pragma once

#include "kernels/cpu/vec.h"

namespace contlm::kernels {
namespace {

template <typename T>
void silu_mul_kernel(const SiluMulArgs& args, Rows rows) {
  for (std::int64_t row = rows.begin; row < rows.end; ++row) {
    const T* gate = static_cast<const T*>(args.gate.data) + row * args.gate.stride;
    const T* up = static_cast<const T*>(args.up.data) + row * args.up.stride;
    T* out = static_cast<T*>(args.out.data) + row * args.out.stride;
    for_each_vec(args.width, [&](std::int64_t i, auto lanes) __attribute__((always_inline)) {
      const FloatVec g = load(gate + i, lanes);
      // sigmoid(g) = 1 / (1 + e^-g) = e^g / (1 + e^g): the one whose power does not overflow.
      const FloatVec power = exp_nonpositive(g < 0.0f ? g : -g);
      store(out + i, g * (g < 0.0f ? power : splat(1.0f)) / (1.0f + power) * load(up + i, lanes), lanes);
    });
  }
}

}  // namespace
}  // namespace contlm::kernels

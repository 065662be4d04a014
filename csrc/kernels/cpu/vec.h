// The vector that the CPU kernels are written in: fp32 lanes, as many as the instruction set of this translation unit
// has. It stands on the compiler's vector extensions, so one source serves every instruction set; storage is fp32 or
// bf16, arithmetic is fp32. Everything here has internal linkage: each instruction set's copy must stay its own.
#pragma once

#include <cstdint>
#include <utility>

#include "kernels/cpu/kernel_table.h"

#define CONTLM_INLINE inline __attribute__((always_inline))

namespace contlm::kernels {
namespace {

#if defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512DQ__) && defined(__AVX512VL__)
constexpr int kVecBytes = 64;
#elif defined(__AVX2__) && defined(__FMA__)
constexpr int kVecBytes = 32;
#else
constexpr int kVecBytes = 16;
#endif

constexpr int kLanes = kVecBytes / 4;

using FloatVec = float __attribute__((vector_size(kVecBytes)));
using IntVec = std::int32_t __attribute__((vector_size(kVecBytes)));
using UintVec = std::uint32_t __attribute__((vector_size(kVecBytes)));
using HalfwordVec = std::uint16_t __attribute__((vector_size(kVecBytes / 2)));

// How many lanes of a vector hold data: all of them, known when compiling, or the first `count`.
struct AllLanes {};
struct FirstLanes {
  int count;
};

CONTLM_INLINE FloatVec splat(float x) { return x - FloatVec{}; }
CONTLM_INLINE FloatVec max(FloatVec a, FloatVec b) { return a > b ? a : b; }

CONTLM_INLINE float to_float(float x) { return x; }
CONTLM_INLINE float to_float(Bfloat16 x) { return __builtin_bit_cast(float, static_cast<std::uint32_t>(x.bits) << 16); }

// Round to nearest even; a NaN stays a NaN instead of rounding up to infinity.
CONTLM_INLINE void from_float(float x, float& out) { out = x; }
CONTLM_INLINE void from_float(float x, Bfloat16& out) {
  const auto bits = __builtin_bit_cast(std::uint32_t, x);
  const std::uint32_t rounded = (bits + 0x7FFFu + ((bits >> 16) & 1u)) >> 16;
  out.bits = static_cast<std::uint16_t>(x != x ? 0x7FC0u : rounded);
}

CONTLM_INLINE FloatVec load(const float* from, AllLanes = {}) {
  FloatVec out;
  __builtin_memcpy(&out, from, sizeof out);
  return out;
}

CONTLM_INLINE FloatVec load(const Bfloat16* from, AllLanes = {}) {
  HalfwordVec bits;
  __builtin_memcpy(&bits, from, sizeof bits);
  return __builtin_bit_cast(FloatVec, __builtin_convertvector(bits, UintVec) << 16);
}

template <typename T>
CONTLM_INLINE FloatVec load(const T* from, FirstLanes lanes) {
  float out[kLanes] = {};
  for (int i = 0; i < lanes.count; ++i) out[i] = to_float(from[i]);
  return load(out);
}

CONTLM_INLINE void store(float* to, FloatVec x, AllLanes = {}) { __builtin_memcpy(to, &x, sizeof x); }

CONTLM_INLINE void store(Bfloat16* to, FloatVec x, AllLanes = {}) {
  const UintVec bits = __builtin_bit_cast(UintVec, x);
  const UintVec rounded = (bits + 0x7FFFu + ((bits >> 16) & 1u)) >> 16;
  const UintVec nan = UintVec{} + 0x7FC0u;
  const HalfwordVec out = __builtin_convertvector(x != x ? nan : rounded, HalfwordVec);
  __builtin_memcpy(to, &out, sizeof out);
}

template <typename T>
CONTLM_INLINE void store(T* to, FloatVec x, FirstLanes lanes) {
  float values[kLanes];
  store(values, x);
  for (int i = 0; i < lanes.count; ++i) from_float(values[i], to[i]);
}

// body(index, lanes) over [0, count) a vector at a time; the last call may cover fewer lanes.
template <typename Body>
CONTLM_INLINE void for_each_vec(std::int64_t count, const Body& body) {
  std::int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) body(i, AllLanes{});
  if (i < count) body(i, FirstLanes{static_cast<int>(count - i)});
}

template <int kDistance, std::size_t... kLane>
CONTLM_INLINE FloatVec swap_lanes(FloatVec x, std::index_sequence<kLane...>) {
  return __builtin_shufflevector(x, x, static_cast<int>(kLane ^ kDistance)...);
}

// fold<1>(x, op): every lane ends as op over all lanes, combined in a tree whose shape depends on the width alone.
template <int kDistance, typename Op>
CONTLM_INLINE FloatVec fold(FloatVec x, const Op& op) {
  if constexpr (kDistance < kLanes) {
    return fold<kDistance * 2>(op(x, swap_lanes<kDistance>(x, std::make_index_sequence<kLanes>())), op);
  } else {
    return x;
  }
}

CONTLM_INLINE float reduce_add(FloatVec x) {
  return fold<1>(x, [](FloatVec a, FloatVec b) { return a + b; })[0];
}
CONTLM_INLINE float reduce_max(FloatVec x) {
  return fold<1>(x, [](FloatVec a, FloatVec b) { return max(a, b); })[0];
}

template <int kDistance, std::size_t... kLane>
CONTLM_INLINE void exchange_lanes(FloatVec& a, FloatVec& b, std::index_sequence<kLane...>) {
  const FloatVec low =
      __builtin_shufflevector(a, b, static_cast<int>((kLane & kDistance) ? kLanes + kLane - kDistance : kLane)...);
  b = __builtin_shufflevector(a, b, static_cast<int>((kLane & kDistance) ? kLanes + kLane : kLane + kDistance)...);
  a = low;
}

// rows[i][j] <-> rows[j][i]: log2(width) rounds, each exchanging the off-diagonal blocks of one size.
template <int kDistance = 1>
CONTLM_INLINE void transpose(FloatVec (&rows)[kLanes]) {
  if constexpr (kDistance < kLanes) {
#pragma GCC unroll 16
    for (int i = 0; i < kLanes; ++i) {
      if ((i & kDistance) == 0) {
        exchange_lanes<kDistance>(rows[i], rows[i + kDistance], std::make_index_sequence<kLanes>());
      }
    }
    transpose<kDistance * 2>(rows);
  }
}

// e^x for x <= 0, which is all that softmax and sigmoid need, within 2 ulp: x = n ln 2 + r with |r| <= ln 2 / 2, then
// 2^n times a degree-7 polynomial in r (Cephes expf). Below the normal range it is exactly zero.
CONTLM_INLINE FloatVec exp_nonpositive(FloatVec x) {
  // Adding 1.5 * 2^23 + 127 rounds to an integer and leaves n + 127, the exponent field of 2^n, in the low bits.
  const FloatVec shift = splat(0x1.8p23f + 127.0f);
  const FloatVec shifted = x * 1.44269504088896341f + shift;
  const FloatVec n = shifted - shift;
  const FloatVec scale = __builtin_bit_cast(FloatVec, __builtin_bit_cast(IntVec, shifted) << 23);
  FloatVec r = x - n * 0.693359375f;
  r = r + n * 2.12194440e-4f;
  FloatVec p = r * 1.9875691500e-4f + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * (r * r) + r + 1.0f;
  return x < -87.0f ? FloatVec{} : p * scale;
}

}  // namespace
}  // namespace contlm::kernels

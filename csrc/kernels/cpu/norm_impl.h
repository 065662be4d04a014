// Normalisations over rows: a pass that adds and sums, then a pass that scales a row which the first left in cache.
#pragma once

#include "kernels/cpu/vec.h"

namespace contlm::kernels {
namespace {

// For one value per row: not worth a call into libm, and correctly rounded everywhere.
CONTLM_INLINE float square_root(float x) { return __builtin_sqrtf(x); }

template <typename T>
CONTLM_INLINE void add_row(float* residual, const T* y, std::int64_t width) {
  for_each_vec(width, [&](std::int64_t i, auto lanes) __attribute__((always_inline)) {
    store(residual + i, load(residual + i, lanes) + load(y + i, lanes), lanes);
  });
}

template <typename T>
CONTLM_INLINE float sum_row(const T* row, std::int64_t width) {
  FloatVec sum = {};
  for_each_vec(width,
               [&](std::int64_t i, auto lanes) __attribute__((always_inline)) { sum = sum + load(row + i, lanes); });
  return reduce_add(sum);
}

// sum (row - mean)^2; two running sums hide the latency of the adds.
template <typename T>
CONTLM_INLINE float sum_squares(const T* row, std::int64_t width, float mean) {
  FloatVec sums[2] = {};
  std::int64_t i = 0;
  for (; i + 2 * kLanes <= width; i += 2 * kLanes) {
    const FloatVec a = load(row + i) - mean, b = load(row + i + kLanes) - mean;
    sums[0] = sums[0] + a * a;
    sums[1] = sums[1] + b * b;
  }
  FloatVec sum = sums[0] + sums[1];
  for (; i + kLanes <= width; i += kLanes) {
    const FloatVec a = load(row + i) - mean;
    sum = sum + a * a;
  }
  float total = reduce_add(sum);
  for (; i < width; ++i) {
    const float a = to_float(row[i]) - mean;
    total += a * a;
  }
  return total;
}

template <typename In, typename W, typename Out>
CONTLM_INLINE void scale_row(const In* row, const W* weight, const W* bias, Out* out, std::int64_t width, float mean,
                             float inverse) {
  for_each_vec(width, [&](std::int64_t i, auto lanes) __attribute__((always_inline)) {
    const FloatVec scaled = (load(row + i, lanes) - mean) * inverse * load(weight + i, lanes);
    store(out + i, bias != nullptr ? scaled + load(bias + i, lanes) : scaled, lanes);
  });
}

template <typename W, typename Out>
void residual_norm_rows(const ResidualNormArgs& args, Rows rows) {
  const auto* weight = static_cast<const W*>(args.weight);
  const auto* bias = static_cast<const W*>(args.bias);
  for (std::int64_t row = rows.begin; row < rows.end; ++row) {
    float* residual = static_cast<float*>(args.residual.data) + row * args.residual.stride;
    if (args.y.data != nullptr) {
      const std::int64_t offset = row * args.y.stride;
      if (args.y_storage == Storage::kBfloat16) {
        add_row(residual, static_cast<const Bfloat16*>(args.y.data) + offset, args.width);
      } else {
        add_row(residual, static_cast<const float*>(args.y.data) + offset, args.width);
      }
    }
    const auto width = static_cast<float>(args.width);
    const float mean = bias != nullptr ? sum_row(residual, args.width) / width : 0.0f;
    const float variance = sum_squares(residual, args.width, mean) / width;
    auto* out = static_cast<Out*>(args.out.data) + row * args.out.stride;
    scale_row(residual, weight, bias, out, args.width, mean, 1.0f / square_root(variance + args.eps));
  }
}

void residual_norm_kernel(const ResidualNormArgs& args, Rows rows) {
  const bool wide_weight = args.weight_storage == Storage::kFloat32, wide_out = args.out_storage == Storage::kFloat32;
  if (wide_weight && wide_out) {
    residual_norm_rows<float, float>(args, rows);
  } else if (wide_weight) {
    residual_norm_rows<float, Bfloat16>(args, rows);
  } else if (wide_out) {
    residual_norm_rows<Bfloat16, float>(args, rows);
  } else {
    residual_norm_rows<Bfloat16, Bfloat16>(args, rows);
  }
}

template <typename T, typename W>
void head_rms_norm_rows(const HeadRmsNormArgs& args, Rows rows) {
  const auto* weight = static_cast<const W*>(args.weight);
  const std::int64_t dim = args.x.head_dim;
  for (std::int64_t row = rows.begin; row < rows.end; ++row) {
    T* x = static_cast<T*>(args.x.data) + row / args.x.heads * args.x.token_stride +
           row % args.x.heads * args.x.head_stride;
    const float mean_square = sum_squares(x, dim, 0.0f) / static_cast<float>(dim);
    scale_row(x, weight, static_cast<const W*>(nullptr), x, dim, 0.0f, 1.0f / square_root(mean_square + args.eps));
  }
}

template <typename T>
void head_rms_norm_kernel(const HeadRmsNormArgs& args, Rows rows) {
  if (args.weight_storage == Storage::kFloat32) {
    head_rms_norm_rows<T, float>(args, rows);
  } else {
    head_rms_norm_rows<T, Bfloat16>(args, rows);
  }
}

}  // namespace
}  // namespace contlm::kernels

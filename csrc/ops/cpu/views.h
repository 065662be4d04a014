// Tensors as the CPU kernels want them: raw pointers and element strides. And how much work is worth a second thread.
#pragma once

#include <algorithm>

#include <ATen/core/Tensor.h>

#include "common/parallel.h"
#include "kernels/cpu/dispatch.h"

namespace contlm::ops::cpu {

inline kernels::Storage storage_of(const at::Tensor& tensor) {
  return tensor.scalar_type() == at::kBFloat16 ? kernels::Storage::kBfloat16 : kernels::Storage::kFloat32;
}

inline int index_of(const at::Tensor& tensor) { return static_cast<int>(storage_of(tensor)); }

// Dimensions of one element may carry any stride; what has no second row needs none.
inline bool has_dense_rows(const at::Tensor& tensor) { return tensor.size(-1) <= 1 || tensor.stride(-1) == 1; }

inline at::Tensor with_dense_rows(const at::Tensor& tensor) {
  return has_dense_rows(tensor) ? tensor : tensor.contiguous();
}

inline kernels::ConstRowsView const_rows(const at::Tensor& matrix) {
  return {matrix.const_data_ptr(), matrix.stride(0)};
}

inline kernels::RowsView rows(const at::Tensor& matrix) { return {matrix.data_ptr(), matrix.stride(0)}; }

inline kernels::HeadsView heads(const at::Tensor& x) {
  return {x.data_ptr(), x.stride(0), x.stride(1), x.size(1), x.size(2)};
}

// Calls kernel(rows) over [0, count), rows of `width` elements, in parts of at least about ten microseconds of work.
template <typename Kernel>
void for_row_ranges(std::int64_t count, std::int64_t width, const Kernel& kernel) {
  constexpr std::int64_t kElements = 32768;
  const std::int64_t grain = std::max<std::int64_t>(1, kElements / std::max<std::int64_t>(1, width));
  parallel_for(count, grain, [&](std::int64_t begin, std::int64_t end) { kernel(kernels::Rows{begin, end}); });
}

}  // namespace contlm::ops::cpu

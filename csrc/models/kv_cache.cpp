#include "models/kv_cache.h"

#include <ATen/ops/zeros.h>

namespace contlm::models {

KVCache::KVCache(std::int64_t layers, std::int64_t slots, std::int64_t kv_heads, std::int64_t capacity,
                 std::int64_t head_dim, at::ScalarType dtype, at::Device device)
    : capacity_(capacity) {
  // Zeros, not empty: a masked position is still read by attention written with plain tensor operations, where a NaN
  // would pass through a weight of zero.
  const auto options = at::TensorOptions().dtype(dtype).device(device);
  for (std::int64_t layer = 0; layer < layers; ++layer) {
    keys_.push_back(at::zeros({slots, kv_heads, capacity, head_dim}, options));
    values_.push_back(at::zeros({slots, kv_heads, capacity, head_dim}, options));
  }
}

void KVCache::copy_slot(std::int64_t from, const std::vector<std::int64_t>& to, std::int64_t length) {
  for (auto* caches : {&keys_, &values_})
    for (const at::Tensor& cache : *caches) {
      const at::Tensor source = cache.select(0, from).slice(1, 0, length);
      for (const std::int64_t slot : to) cache.select(0, slot).slice(1, 0, length).copy_(source);
    }
}

}  // namespace contlm::models

// Keys and values of rows in flight. A row lives in a slot, a contiguous stretch of every layer's cache:
// keys and values are [slots, kv_heads, capacity, head_dim] in the compute dtype.
#pragma once

#include <cstdint>
#include <vector>

#include <ATen/core/Tensor.h>

namespace contlm::models {

class KVCache {
 public:
  KVCache(std::int64_t layers, std::int64_t slots, std::int64_t kv_heads, std::int64_t capacity, std::int64_t head_dim,
          at::ScalarType dtype, at::Device device);

  const at::Tensor& keys(std::size_t layer) const { return keys_[layer]; }
  const at::Tensor& values(std::size_t layer) const { return values_[layer]; }
  std::int64_t capacity() const { return capacity_; }

  // The first `length` positions of slot `from` into every slot of `to`.
  void copy_slot(std::int64_t from, const std::vector<std::int64_t>& to, std::int64_t length);

 private:
  std::int64_t capacity_;
  std::vector<at::Tensor> keys_, values_;
};

}  // namespace contlm::models

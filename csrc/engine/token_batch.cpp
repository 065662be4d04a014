#include "engine/token_batch.h"

#include "ops/host_values.h"

namespace contlm::engine {

void TokenBatchBuilder::clear() {
  ids_.clear();
  select_.clear();
  slot_.clear();
  position_.clear();
  length_.clear();
  coeffs_.clear();
}

void TokenBatchBuilder::add(std::span<const std::int64_t> tokens, std::int64_t slot, std::int64_t position,
                            const lora::Coefficients& c) {
  const std::int64_t length = position + static_cast<std::int64_t>(tokens.size());
  ids_.insert(ids_.end(), tokens.begin(), tokens.end());
  slot_.insert(slot_.end(), tokens.size(), static_cast<std::int32_t>(slot));
  length_.insert(length_.end(), tokens.size(), static_cast<std::int32_t>(length));
  for (std::int64_t p = position; p < length; ++p) {
    position_.push_back(static_cast<std::int32_t>(p));
    coeffs_.insert(coeffs_.end(), c.begin(), c.end());
  }
}

void TokenBatchBuilder::select(std::int64_t begin, std::int64_t end) {
  for (std::int64_t i = begin; i < end; ++i) select_.push_back(i);
}

models::TokenBatch TokenBatchBuilder::batch(at::Device device) const {
  return {.ids = ops::to_device(ids_, device),
          .slot = ops::to_device(slot_, device),
          .position = ops::to_device(position_, device),
          .row_length = ops::to_device(length_, device),
          .select = ops::to_device(select_, device)};
}

at::Tensor TokenBatchBuilder::coefficients(at::Device device) const {
  return ops::to_device(coeffs_, device).view({size(), anchors_});
}

}  // namespace contlm::engine

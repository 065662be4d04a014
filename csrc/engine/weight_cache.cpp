#include "engine/weight_cache.h"

#include <algorithm>

namespace contlm::engine {

std::shared_ptr<const lora::MergedWeights> MergedCache::get(const models::Decoder& model, const lora::AnchorBank& bank,
                                                            const lora::Coefficients& c, Monitor& monitor) {
  {
    const std::lock_guard lock(mutex_);
    if (weights_ && key_ == c) return weights_;
    // Let go of the old buffer before the new one is made.
    weights_.reset();
    key_.clear();
  }
  auto merged = std::make_shared<const lora::MergedWeights>(model.merge(bank, c, monitor));
  const std::lock_guard lock(mutex_);
  key_ = c;
  weights_ = merged;
  return merged;
}

void MergedCache::clear() {
  const std::lock_guard lock(mutex_);
  key_.clear();
  weights_.reset();
}

std::shared_ptr<const lora::PackedBank> PackedBankCache::get(const models::Decoder& model, const lora::AnchorBank& bank,
                                                             const lora::AnchorSet& active) {
  constexpr std::size_t kKept = 2;
  {
    const std::lock_guard lock(mutex_);
    const auto found =
        std::find_if(banks_.begin(), banks_.end(), [&](const auto& packed) { return packed->active == active; });
    if (found != banks_.end()) {
      std::rotate(found, found + 1, banks_.end());
      return banks_.back();
    }
    if (banks_.size() == kKept) banks_.erase(banks_.begin());
  }
  auto packed =
      std::make_shared<const lora::PackedBank>(bank, model.input_groups(), active, model.dtype(), model.device());
  const std::lock_guard lock(mutex_);
  banks_.push_back(packed);
  if (banks_.size() > kKept) banks_.erase(banks_.begin());
  return packed;
}

void PackedBankCache::clear() {
  const std::lock_guard lock(mutex_);
  banks_.clear();
}

}  // namespace contlm::engine

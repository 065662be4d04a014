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

std::shared_ptr<const lora::BankView> ViewCache::get(const models::Decoder& model, const lora::AnchorBank& bank,
                                                     const lora::AnchorSet& active) {
  constexpr std::size_t kKept = 2;
  {
    const std::lock_guard lock(mutex_);
    const auto found =
        std::find_if(views_.begin(), views_.end(), [&](const auto& view) { return view->active == active; });
    if (found != views_.end()) {
      std::rotate(found, found + 1, views_.end());
      return views_.back();
    }
    if (views_.size() == kKept) views_.erase(views_.begin());
  }
  auto view = std::make_shared<const lora::BankView>(bank, model.input_groups(), active, model.dtype(), model.device());
  const std::lock_guard lock(mutex_);
  views_.push_back(view);
  if (views_.size() > kKept) views_.erase(views_.begin());
  return view;
}

void ViewCache::clear() {
  const std::lock_guard lock(mutex_);
  views_.clear();
}

}  // namespace contlm::engine

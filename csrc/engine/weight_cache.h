// The weights used last, kept for the next call at the same point: one buffer of merged weights at most beside those
// that calls still hold, and two packed banks.
#pragma once

#include <memory>
#include <mutex>
#include <vector>

#include "common/monitor.h"
#include "lora/applied_anchors.h"
#include "models/decoder.h"

namespace contlm::engine {

class MergedCache {
 public:
  // Merges when c differs from the last one. Calls at different points may run side by side, each with its own buffer.
  std::shared_ptr<const lora::MergedWeights> get(const models::Decoder& model, const lora::AnchorBank& bank,
                                                 const lora::Coefficients& c, Monitor& monitor);
  void clear();

 private:
  std::mutex mutex_;
  lora::Coefficients key_;
  std::shared_ptr<const lora::MergedWeights> weights_;
};

// By the anchors that take part: the two used last (the whole bank and one of its subsets, as the planner chooses).
class PackedBankCache {
 public:
  std::shared_ptr<const lora::PackedBank> get(const models::Decoder& model, const lora::AnchorBank& bank,
                                              const lora::AnchorSet& active);
  void clear();

 private:
  std::mutex mutex_;
  std::vector<std::shared_ptr<const lora::PackedBank>> banks_;  // the one used last at the back
};

}  // namespace contlm::engine

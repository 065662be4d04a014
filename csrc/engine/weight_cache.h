// The merged weights used last, kept for the next call at the same point. One buffer at most beside those that calls
// still hold.
#pragma once

#include <memory>
#include <mutex>
#include <vector>

#include "common/monitor.h"
#include "lora/standpoint.h"
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

// Likewise for the packed views of the bank, by the anchors that take part: the two used last (the whole bank and one
// of its subsets, as the planner chooses).
class ViewCache {
 public:
  std::shared_ptr<const lora::BankView> get(const models::Decoder& model, const lora::AnchorBank& bank,
                                            const lora::AnchorSet& active);
  void clear();

 private:
  std::mutex mutex_;
  std::vector<std::shared_ptr<const lora::BankView>> views_;  // the one used last at the back
};

}  // namespace contlm::engine

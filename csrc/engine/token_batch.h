// Collects the tokens of one step on the host and hands them to the device together.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "lora/coefficients.h"
#include "models/decoder.h"

namespace contlm::engine {

class TokenBatchBuilder {
 public:
  explicit TokenBatchBuilder(std::int64_t anchors) : anchors_(anchors) {}

  void clear();
  // Consecutive tokens of one row, the first at `position`; the row's length is then position + tokens.size().
  void add(std::span<const std::int64_t> tokens, std::int64_t slot, std::int64_t position, const lora::Coefficients& c);
  void select_last() { select_.push_back(size() - 1); }
  // The batch's tokens begin, ..., end - 1.
  void select(std::int64_t begin, std::int64_t end);

  std::int64_t size() const { return static_cast<std::int64_t>(ids_.size()); }
  models::TokenBatch batch(at::Device device) const;
  at::Tensor coefficients(at::Device device) const;  // [T, K] fp32

 private:
  std::int64_t anchors_;
  std::vector<std::int64_t> ids_, select_;
  std::vector<std::int32_t> slot_, position_, length_;
  std::vector<float> coeffs_;
};

}  // namespace contlm::engine

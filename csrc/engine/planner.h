// Chooses how rows are run. Merging costs products of every adapted weight once per point, banking costs them for every
// token; a step with few rows costs as much as reading the weights, so rows at many points are best banked together.
// Costs are counted in multiplications; the plan depends on the call alone (never on what happens to be merged
// already), so the same call computes the same bits.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/options.h"
#include "engine/row.h"
#include "lora/anchor_bank.h"
#include "models/decoder.h"

namespace contlm::engine {

// Rows that run as one stream. Anchors in `merged` (with their coefficients) are merged first; the bank adds those of
// `banked`.
struct RowGroup {
  Mode mode = Mode::bank;
  lora::Coefficients merged;  // K values, zero where banked; empty: nothing is merged
  lora::AnchorSet banked;
  lora::AnchorSet packed;  // the anchors that the packed bank holds: `banked`, or all where packing anew would not pay
  std::vector<std::size_t> rows;  // indices into the planned rows
};

class Planner {
 public:
  Planner(const models::Decoder& model, const lora::AnchorBank& bank, std::int64_t max_rows)
      : model_(model), bank_(bank), max_rows_(max_rows) {}

  // ValueError when `mode` cannot run these rows (a schedule cannot be merged).
  std::vector<RowGroup> plan(std::span<const Row> rows, std::int64_t max_new_tokens, Mode mode) const;

 private:
  struct Work;
  Work work_of(std::span<const Row> rows, const std::vector<std::size_t>& members, std::int64_t max_new_tokens) const;
  double stream_cost(const Work& work, const lora::AnchorSet& banked) const;
  double merge_cost(const lora::AnchorSet& anchors) const;
  double bank_parameters(const lora::AnchorSet& anchors) const;
  void choose_packed(RowGroup& group, const Work& work) const;
  std::vector<RowGroup> choose(std::span<const Row> rows, std::int64_t max_new_tokens, Mode mode) const;

  const models::Decoder& model_;
  const lora::AnchorBank& bank_;
  std::int64_t max_rows_;
};

}  // namespace contlm::engine

#include "engine/planner.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <set>

#include "common/error.h"

namespace contlm::engine {

namespace {

// A weight is read from memory once per step, which takes as long as multiplying it with about this many tokens; the
// ratio of matrix peak to memory bandwidth of the CPUs measured (220-430 GFLOP/s over 30 GB/s, fp32). The two hardly
// overlap: steps of 64 and 128 rows were measured at 69 and 122 ms.
constexpr double kTokensPerWeightRead = 16;
// Packing a merged weight moves it a few times through memory: counted like this many tokens.
constexpr double kTokensPerPacking = 64;

bool fixed(const Row& row) { return row.schedule->size() == 1; }

lora::AnchorSet anchors_of(const Row& row) {
  lora::AnchorSet all;
  for (const lora::Coefficients& c : *row.schedule) all = lora::unite(all, lora::active_anchors(c));
  return all;
}

lora::AnchorSet anchors_of(std::span<const Row> rows, const std::vector<std::size_t>& members) {
  lora::AnchorSet all;
  for (const std::size_t i : members) all = lora::unite(all, anchors_of(rows[i]));
  return all;
}

// What every member has the same nonzero coefficient for, at every step.
lora::Coefficients shared_coefficients(std::span<const Row> rows, const std::vector<std::size_t>& members) {
  lora::Coefficients shared = rows[members.front()].schedule->front();
  for (const std::size_t i : members)
    for (const lora::Coefficients& c : *rows[i].schedule)
      for (std::size_t k = 0; k < shared.size(); ++k)
        if (c[k] != shared[k]) shared[k] = 0;
  return shared;
}

lora::AnchorSet without(const lora::AnchorSet& all, const lora::Coefficients& merged) {
  lora::AnchorSet rest;
  for (const std::int64_t k : all)
    if (merged[k] == 0) rest.push_back(k);
  return rest;
}

RowGroup bank_group(std::span<const Row> rows, std::vector<std::size_t> members) {
  RowGroup group;
  group.banked = anchors_of(rows, members);
  group.rows = std::move(members);
  return group;
}

RowGroup hybrid_group(std::span<const Row> rows, std::vector<std::size_t> members) {
  RowGroup group = bank_group(rows, std::move(members));
  const lora::Coefficients shared = shared_coefficients(rows, group.rows);
  if (lora::active_anchors(shared).empty()) return group;
  group.banked = without(group.banked, shared);
  group.merged = shared;
  group.mode = group.banked.empty() ? Mode::merged : Mode::hybrid;
  return group;
}

// The rows of each point, points in the order of their first row.
std::vector<std::vector<std::size_t>> by_point(std::span<const Row> rows, const std::vector<std::size_t>& members) {
  std::map<lora::Coefficients, std::size_t> seen;
  std::vector<std::vector<std::size_t>> points;
  for (const std::size_t i : members) {
    const auto [place, is_new] = seen.try_emplace(rows[i].schedule->front(), points.size());
    if (is_new) points.emplace_back();
    points[place->second].push_back(i);
  }
  return points;
}

}  // namespace

struct Planner::Work {
  double prefill_tokens = 0;
  double decode_steps = 0;  // steps of a full stream of `concurrent` rows
  double concurrent = 0;    // rows in a decode step
};

Planner::Work Planner::work_of(std::span<const Row> rows, const std::vector<std::size_t>& members,
                               std::int64_t max_new_tokens) const {
  Work work;
  std::set<std::int64_t> prefilled;
  for (const std::size_t i : members)
    if (prefilled.insert(rows[i].prefill_group).second)
      work.prefill_tokens += static_cast<double>(rows[i].prompt_length());
  const double count = static_cast<double>(members.size());
  work.concurrent = std::min(count, static_cast<double>(max_rows_));
  // The first token comes with the prefill.
  work.decode_steps = static_cast<double>(std::max<std::int64_t>(max_new_tokens - 1, 0)) * count / work.concurrent;
  return work;
}

double Planner::bank_parameters(const lora::AnchorSet& anchors) const {
  return static_cast<double>(lora::bank_parameters(bank_, model_.input_groups(), anchors));
}

double Planner::stream_cost(const Work& work, const lora::AnchorSet& banked) const {
  const double per_token = static_cast<double>(model_.layer_parameters()) + bank_parameters(banked);
  const double head = static_cast<double>(model_.head_parameters());
  const double step_tokens = work.concurrent + kTokensPerWeightRead;
  return (work.prefill_tokens + kTokensPerWeightRead) * per_token +
         work.decode_steps * step_tokens * (per_token + head);
}

double Planner::merge_cost(const lora::AnchorSet& anchors) const {
  double cost = 0;
  for (const models::LinearSpec* spec : model_.linears()) {
    double rank = 0;
    for (const lora::AnchorFactors& f : bank_.factors(spec->name))
      if (std::binary_search(anchors.begin(), anchors.end(), f.anchor)) rank += static_cast<double>(f.A.size(0));
    if (rank > 0) cost += static_cast<double>(spec->in * spec->out) * (rank + kTokensPerPacking);
  }
  return cost;
}

void Planner::choose_packed(RowGroup& group, const Work& work) const {
  group.packed = group.banked;
  if (group.banked.empty() || !group.merged.empty()) return;
  lora::AnchorSet all(static_cast<std::size_t>(bank_.size()));
  std::iota(all.begin(), all.end(), std::int64_t{0});
  const double tokens =
      work.prefill_tokens + kTokensPerWeightRead + work.decode_steps * (work.concurrent + kTokensPerWeightRead);
  const double needed = bank_parameters(group.banked);
  if (tokens * (bank_parameters(all) - needed) < kTokensPerPacking * needed) group.packed = all;
}

std::vector<RowGroup> Planner::plan(std::span<const Row> rows, std::int64_t max_new_tokens, Mode mode) const {
  std::vector<RowGroup> groups = choose(rows, max_new_tokens, mode);
  for (RowGroup& group : groups) choose_packed(group, work_of(rows, group.rows, max_new_tokens));
  return groups;
}

std::vector<RowGroup> Planner::choose(std::span<const Row> rows, std::int64_t max_new_tokens, Mode mode) const {
  std::vector<std::size_t> all(rows.size()), scheduled, fixed_rows;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    all[i] = i;
    (fixed(rows[i]) ? fixed_rows : scheduled).push_back(i);
  }
  if (all.empty()) return {};
  if (mode == Mode::bank) return {bank_group(rows, all)};
  if (mode == Mode::hybrid) return {hybrid_group(rows, all)};
  CONTLM_CHECK(mode == Mode::automatic || scheduled.empty(), ValueError,
               "mode: a schedule moves the point at every token, so it cannot be \"merged\"; use \"auto\" or \"bank\"");

  // Each point by itself: merged where that is cheaper than its share of a common bank.
  std::vector<RowGroup> split;
  std::vector<std::size_t> banked = scheduled;
  double split_cost = 0;
  const lora::AnchorSet everything = anchors_of(rows, all);
  const Work whole = work_of(rows, all, max_new_tokens);
  const double bank_cost = stream_cost(whole, everything);
  for (const std::vector<std::size_t>& point : by_point(rows, fixed_rows)) {
    RowGroup group;
    group.mode = Mode::merged;
    group.merged = rows[point.front()].schedule->front();
    group.rows = point;
    const lora::AnchorSet active = lora::active_anchors(group.merged);
    const double merged_cost = merge_cost(active) + stream_cost(work_of(rows, point, max_new_tokens), {});
    const double share = bank_cost * static_cast<double>(point.size()) / static_cast<double>(rows.size());
    if (mode == Mode::merged || (merged_cost < share && !active.empty())) {
      split.push_back(std::move(group));
      split_cost += merged_cost;
    } else {
      banked.insert(banked.end(), point.begin(), point.end());
    }
  }
  if (mode == Mode::merged) return split;
  if (!banked.empty()) {
    std::sort(banked.begin(), banked.end());
    split.push_back(bank_group(rows, banked));
    split_cost += stream_cost(work_of(rows, banked, max_new_tokens), split.back().banked);
  }

  RowGroup hybrid = hybrid_group(rows, all);
  const double hybrid_cost =
      stream_cost(whole, hybrid.banked) + (hybrid.merged.empty() ? 0 : merge_cost(lora::active_anchors(hybrid.merged)));
  if (bank_cost <= split_cost && bank_cost <= hybrid_cost) return {bank_group(rows, all)};
  if (hybrid_cost < split_cost) return {hybrid};
  return split;
}

}  // namespace contlm::engine

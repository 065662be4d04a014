// Words as the metrics count them: what splitting on single spaces gives, so an empty text is one empty word and two
// spaces hold an empty word between them.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "common/error.h"
#include "common/parallel.h"

namespace contlm::metrics {

template <typename Use>
void for_each_word(std::string_view text, const Use& use) {
  std::size_t begin = 0;
  while (true) {
    const std::size_t end = text.find(' ', begin);
    use(text.substr(begin, end == std::string_view::npos ? end : end - begin));
    if (end == std::string_view::npos) return;
    begin = end + 1;
  }
}

// Numbers things in the order in which they come first.
template <typename Thing>
class Numbering {
 public:
  std::uint32_t operator()(Thing thing) {
    return numbers_.try_emplace(thing, static_cast<std::uint32_t>(numbers_.size())).first->second;
  }
  std::size_t size() const { return numbers_.size(); }

 private:
  std::unordered_map<Thing, std::uint32_t> numbers_;
};

// An n-gram is its (n-1)-gram's number and its last word's: numbering both exactly makes n-grams comparable as one
// integer.
inline std::uint64_t pair(std::uint32_t prefix, std::uint32_t word) {
  return (static_cast<std::uint64_t>(prefix) << 32) | word;
}

// The texts of each group, groups in ascending order. ValueError unless there is a text and the sizes agree.
inline std::vector<std::vector<std::size_t>> members_of(std::span<const std::string> texts,
                                                        std::span<const std::int64_t> group) {
  CONTLM_CHECK(!texts.empty(), ValueError, "texts: must have at least one text, got none");
  CONTLM_CHECK(texts.size() == group.size(), ValueError, "prompt_index: must have a value for each of the ",
               texts.size(), " texts, got ", group.size());
  std::map<std::int64_t, std::vector<std::size_t>> members;
  for (std::size_t i = 0; i < texts.size(); ++i) members[group[i]].push_back(i);
  std::vector<std::vector<std::size_t>> groups;
  for (auto& entry : members) groups.push_back(std::move(entry.second));
  return groups;
}

// The mean of value(group) over groups, computed side by side and summed in order.
template <typename Value>
double mean_over(const std::vector<std::vector<std::size_t>>& groups, const Value& value) {
  std::vector<double> values(groups.size());
  parallel_for(static_cast<std::int64_t>(groups.size()), 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t g = begin; g < end; ++g)
      values[static_cast<std::size_t>(g)] = value(groups[static_cast<std::size_t>(g)]);
  });
  double sum = 0;
  for (const double v : values) sum += v;
  return sum / static_cast<double>(values.size());
}

}  // namespace contlm::metrics

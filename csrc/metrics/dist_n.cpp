#include "metrics/dist_n.h"

#include <map>
#include <string_view>
#include <unordered_map>
#include <unordered_set>

#include "common/error.h"
#include "common/parallel.h"

namespace contlm::metrics {

namespace {

// An n-gram is its (n-1)-gram's number and its last word's: numbering both exactly makes n-grams comparable as one
// integer.
class NgramCounter {
 public:
  explicit NgramCounter(std::int64_t n) : levels_(static_cast<std::size_t>(n > 1 ? n - 2 : 0)), n_(n) {}

  void add(std::string_view text) {
    // The numbers of the 1-, 2-, ... (n-1)-grams that end at the word before.
    std::vector<std::uint32_t> ending;
    std::size_t begin = 0;
    while (true) {
      const std::size_t end = text.find(' ', begin);
      push(text.substr(begin, end == std::string_view::npos ? end : end - begin), ending);
      if (end == std::string_view::npos) break;
      begin = end + 1;
    }
  }

  double value() const { return static_cast<double>(distinct_.size()) / static_cast<double>(words_); }

 private:
  static std::uint64_t pair(std::uint32_t prefix, std::uint32_t word) {
    return (static_cast<std::uint64_t>(prefix) << 32) | word;
  }

  void push(std::string_view text, std::vector<std::uint32_t>& ending) {
    ++words_;
    const std::uint32_t word =
        vocabulary_.try_emplace(text, static_cast<std::uint32_t>(vocabulary_.size())).first->second;
    if (n_ == 1) {
      distinct_.insert(word);
      return;
    }
    if (static_cast<std::int64_t>(ending.size()) == n_ - 1) distinct_.insert(pair(ending.back(), word));
    std::vector<std::uint32_t> next{word};
    for (std::size_t length = 0; length < ending.size() && length < levels_.size(); ++length) {
      auto& known = levels_[length];
      next.push_back(
          known.try_emplace(pair(ending[length], word), static_cast<std::uint32_t>(known.size())).first->second);
    }
    ending = std::move(next);
  }

  std::unordered_map<std::string_view, std::uint32_t> vocabulary_;
  std::vector<std::unordered_map<std::uint64_t, std::uint32_t>> levels_;  // of 2-grams, 3-grams, ... (n-1)-grams
  std::unordered_set<std::uint64_t> distinct_;
  std::int64_t n_, words_ = 0;
};

}  // namespace

double dist_n(std::span<const std::string> texts, std::span<const std::int64_t> group, std::int64_t n) {
  CONTLM_CHECK(n >= 1, ValueError, "n: must be at least 1, got ", n);
  CONTLM_CHECK(!texts.empty(), ValueError, "texts: must have at least one text, got none");
  CONTLM_CHECK(texts.size() == group.size(), ValueError, "prompt_index: must have a value for each of the ",
               texts.size(), " texts, got ", group.size());
  std::map<std::int64_t, std::vector<std::size_t>> members;
  for (std::size_t i = 0; i < texts.size(); ++i) members[group[i]].push_back(i);
  std::vector<const std::vector<std::size_t>*> groups;
  for (const auto& entry : members) groups.push_back(&entry.second);

  std::vector<double> values(groups.size());
  parallel_for(static_cast<std::int64_t>(groups.size()), 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t g = begin; g < end; ++g) {
      NgramCounter counter(n);
      for (const std::size_t i : *groups[static_cast<std::size_t>(g)]) counter.add(texts[i]);
      values[static_cast<std::size_t>(g)] = counter.value();
    }
  });
  double sum = 0;
  for (const double value : values) sum += value;
  return sum / static_cast<double>(values.size());
}

}  // namespace contlm::metrics

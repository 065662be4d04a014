#include "metrics/dist_n.h"

#include <unordered_set>

#include "metrics/words.h"

namespace contlm::metrics {

namespace {

class NgramCounter {
 public:
  explicit NgramCounter(std::int64_t n) : levels_(static_cast<std::size_t>(n > 1 ? n - 2 : 0)), n_(n) {}

  void add(std::string_view text) {
    // The numbers of the 1-, 2-, ... (n-1)-grams that end at the word before.
    std::vector<std::uint32_t> ending;
    for_each_word(text, [&](std::string_view word) { push(word, ending); });
  }

  double value() const { return static_cast<double>(distinct_.size()) / static_cast<double>(words_); }

 private:
  void push(std::string_view text, std::vector<std::uint32_t>& ending) {
    ++words_;
    const std::uint32_t word = vocabulary_(text);
    if (n_ == 1) {
      distinct_.insert(word);
      return;
    }
    if (static_cast<std::int64_t>(ending.size()) == n_ - 1) distinct_.insert(pair(ending.back(), word));
    std::vector<std::uint32_t> next{word};
    for (std::size_t length = 0; length < ending.size() && length < levels_.size(); ++length)
      next.push_back(levels_[length](pair(ending[length], word)));
    ending = std::move(next);
  }

  Numbering<std::string_view> vocabulary_;
  std::vector<Numbering<std::uint64_t>> levels_;  // of 2-grams, 3-grams, ... (n-1)-grams
  std::unordered_set<std::uint64_t> distinct_;
  std::int64_t n_, words_ = 0;
};

}  // namespace

double dist_n(std::span<const std::string> texts, std::span<const std::int64_t> group, std::int64_t n) {
  CONTLM_CHECK(n >= 1, ValueError, "n: must be at least 1, got ", n);
  return mean_over(members_of(texts, group), [&](const std::vector<std::size_t>& members) {
    NgramCounter counter(n);
    for (const std::size_t i : members) counter.add(texts[i]);
    return counter.value();
  });
}

}  // namespace contlm::metrics

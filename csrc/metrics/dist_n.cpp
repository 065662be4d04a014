#include "metrics/dist_n.h"

#include <algorithm>

#include "metrics/words.h"

namespace contlm::metrics {

namespace {

class NgramCounter {
 public:
  explicit NgramCounter(std::int64_t n) : n_(static_cast<std::size_t>(n)), levels_(n_ - 1) {}

  void start(std::size_t words) {
    words_ = 0;
    vocabulary_.start(words);
    for (Numbering<std::uint64_t>& level : levels_) level.start(words);
  }

  void add(std::string_view text) {
    ending_.clear();
    for_each_word(text, [&](std::string_view word, std::uint32_t hash) { push(vocabulary_(word, hash)); });
  }

  double value() const {
    const std::size_t distinct = n_ == 1 ? vocabulary_.size() : levels_.back().size();
    return static_cast<double>(distinct) / static_cast<double>(words_);
  }

 private:
  void push(std::uint32_t word) {
    ++words_;
    // From the longest on, so that each place still holds what ended at the word before.
    for (std::size_t k = std::min(ending_.size(), levels_.size()); k-- > 0;) {
      const std::uint64_t both = pair(ending_[k], word);
      const std::uint32_t longer = levels_[k](both, hash_of(both));
      if (k + 1 == levels_.size()) continue;
      if (k + 1 == ending_.size())
        ending_.push_back(longer);
      else
        ending_[k + 1] = longer;
    }
    if (ending_.empty() && !levels_.empty()) ending_.push_back(word);
    if (!ending_.empty()) ending_[0] = word;
  }

  std::size_t n_;
  Numbering<std::string_view> vocabulary_;
  std::vector<Numbering<std::uint64_t>> levels_;  // of 2-grams, 3-grams, ... n-grams
  std::vector<std::uint32_t> ending_;  // the numbers of the 1-, 2-, ... (n-1)-grams that end at the last word
  std::int64_t words_ = 0;
};

}  // namespace

double dist_n(std::span<const std::string_view> texts, std::span<const std::int64_t> group, std::int64_t n) {
  CONTLM_CHECK(n >= 1, ValueError, "n: must be at least 1, got ", n);
  return mean_over(members_of(texts, group), [&] {
    return [&texts, counter = NgramCounter(n)](const std::vector<std::size_t>& members) mutable {
      counter.start(count_words(texts, members));
      for (const std::size_t i : members) counter.add(texts[i]);
      return counter.value();
    };
  });
}

}  // namespace contlm::metrics

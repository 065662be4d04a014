#include "metrics/self_bleu.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "metrics/words.h"

namespace contlm::metrics {

namespace {

constexpr double kNoMatch = 0.1;

// Of one n-gram: its largest count in a text, that text, and the largest count in any other.
struct Peak {
  std::int64_t most = 0, second = 0;
  std::size_t owner = 0;

  void add(std::int64_t count, std::size_t text) {
    if (count > most) {
      second = most;
      most = count;
      owner = text;
    } else {
      second = std::max(second, count);
    }
  }
  std::int64_t outside(std::size_t text) const { return owner == text ? second : most; }
};

using Counts = std::vector<std::pair<std::uint32_t, std::int64_t>>;  // of an n-gram's number

Counts count(std::vector<std::uint32_t> ngrams) {
  std::sort(ngrams.begin(), ngrams.end());
  Counts counts;
  for (const std::uint32_t ngram : ngrams) {
    if (counts.empty() || counts.back().first != ngram) counts.emplace_back(ngram, 0);
    ++counts.back().second;
  }
  return counts;
}

// The texts of one group as numbers: their words first, then their n-grams of one order after the other.
class Group {
 public:
  Group(std::span<const std::string_view> texts, const std::vector<std::size_t>& members) {
    Numbering<std::string_view> vocabulary;
    for (const std::size_t i : members) {
      std::vector<std::uint32_t> words;
      for_each_word(texts[i],
                    [&](std::string_view word, std::uint32_t hash) { words.push_back(vocabulary(word, hash)); });
      words_.push_back(std::move(words));
    }
    ngrams_ = words_;
    log_precision_.resize(words_.size());
  }

  double self_bleu(std::int64_t n) {
    for (std::int64_t order = 1; order <= n; ++order) {
      if (order > 1) lengthen();
      add_precisions(order == 1);
    }
    double sum = 0;
    for (std::size_t i = 0; i < words_.size(); ++i)
      sum += std::exp(log_precision_[i] / static_cast<double>(n)) * brevity_penalty(i);
    return sum / static_cast<double>(words_.size());
  }

 private:
  // From the (k-1)-grams to the k-grams, each in the place of its last word.
  void lengthen() {
    Numbering<std::uint64_t> numbers;
    for (std::size_t i = 0; i < words_.size(); ++i) {
      std::vector<std::uint32_t>& ngrams = ngrams_[i];
      const std::size_t offset = words_[i].size() - ngrams.size() + 1;
      for (std::size_t at = 0; at + 1 < ngrams.size(); ++at) {
        const std::uint64_t both = pair(ngrams[at], words_[i][at + offset]);
        ngrams[at] = numbers(both, hash_of(both));
      }
      if (!ngrams.empty()) ngrams.pop_back();
    }
  }

  void add_precisions(bool of_words) {
    std::vector<Counts> counts;
    std::uint32_t past = 0;
    for (const std::vector<std::uint32_t>& ngrams : ngrams_) {
      counts.push_back(count(ngrams));
      if (!counts.back().empty()) past = std::max(past, counts.back().back().first + 1);
    }
    std::vector<Peak> peaks(past);
    for (std::size_t i = 0; i < counts.size(); ++i)
      for (const auto& [ngram, times] : counts[i]) peaks[ngram].add(times, i);
    for (std::size_t i = 0; i < counts.size(); ++i) {
      std::int64_t matched = 0;
      for (const auto& [ngram, times] : counts[i]) matched += std::min(times, peaks[ngram].outside(i));
      const double possible = static_cast<double>(std::max<std::size_t>(ngrams_[i].size(), 1));
      if (of_words && matched == 0) log_precision_[i] = -INFINITY;
      log_precision_[i] += std::log((matched > 0 ? static_cast<double>(matched) : kNoMatch) / possible);
    }
  }

  double brevity_penalty(std::size_t i) const {
    const auto length = static_cast<std::int64_t>(words_[i].size());
    std::int64_t closest = -1;
    for (std::size_t j = 0; j < words_.size(); ++j) {
      if (j == i) continue;
      const auto other = static_cast<std::int64_t>(words_[j].size());
      const std::int64_t distance = std::abs(other - length), best = std::abs(closest - length);
      if (closest < 0 || distance < best || (distance == best && other < closest)) closest = other;
    }
    return length > closest ? 1.0 : std::exp(1.0 - static_cast<double>(closest) / static_cast<double>(length));
  }

  std::vector<std::vector<std::uint32_t>> words_, ngrams_;
  std::vector<double> log_precision_;
};

}  // namespace

double self_bleu(std::span<const std::string_view> texts, std::span<const std::int64_t> group, std::int64_t n) {
  CONTLM_CHECK(n >= 1, ValueError, "n: must be at least 1, got ", n);
  const std::vector<std::vector<std::size_t>> groups = members_of(texts, group);
  for (const std::vector<std::size_t>& members : groups)
    CONTLM_CHECK(members.size() >= 2, ValueError,
                 "texts: every prompt must have two texts to compare, got one for prompt ", group[members.front()],
                 "; generate more per prompt, or use per=\"corpus\"");
  return mean_over(groups, [&] {
    return [&](const std::vector<std::size_t>& members) { return Group(texts, members).self_bleu(n); };
  });
}

}  // namespace contlm::metrics

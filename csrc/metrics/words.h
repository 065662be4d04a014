// Words as the metrics count them: what splitting on single spaces gives, so an empty text is one empty word and two
// spaces hold an empty word between them.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>
#include <map>
#include <span>
#include <string_view>
#include <vector>

#include "common/error.h"
#include "common/parallel.h"

namespace contlm::metrics {

// Past a text's end stand spaces.
constexpr std::uint64_t kNoBytes = 0x2020202020202020u;

inline std::uint64_t mix(std::uint64_t hash, std::uint64_t bytes) {
  hash = (hash ^ bytes) * 0xFF51AFD7ED558CCDu;
  return hash ^ (hash >> 32);
}

// How many of eight bytes stand before the first space; 8 when there is none (Mycroft's test for a zero byte).
inline int bytes_before_space(std::uint64_t bytes) {
  constexpr std::uint64_t kOnes = 0x0101010101010101u;
  const std::uint64_t x = bytes ^ (kOnes * ' ');
  return std::countr_zero((x - kOnes) & ~x & (kOnes << 7)) / 8;
}

// use(word, its hash) for every word. Eight bytes at a time: most words are shorter, and the search for their end is
// what a metric would spend most of its time on.
template <typename Use>
void for_each_word(std::string_view text, const Use& use) {
  static_assert(std::endian::native == std::endian::little);
  const char* at = text.data();
  const char* const end = at + text.size();
  while (true) {
    const char* const begin = at;
    std::uint64_t hash = 0;
    while (true) {
      std::uint64_t bytes = kNoBytes;
      const auto left = static_cast<std::size_t>(end - at);
      std::memcpy(&bytes, at, left < 8 ? left : 8);
      const int before = bytes_before_space(bytes);
      hash = mix(hash, before == 8 ? bytes : bytes & ~(~std::uint64_t{0} << (8 * before)));
      at += before;
      if (before < 8) break;
    }
    use(std::string_view(begin, static_cast<std::size_t>(at - begin)), static_cast<std::uint32_t>(hash));
    if (at == end) return;
    ++at;
  }
}

inline std::uint32_t hash_of(std::uint64_t number) { return static_cast<std::uint32_t>(mix(number >> 32, number)); }

// Numbers things in the order in which they come first: an open-addressing table, because texts of one prompt are few
// and a node for every word would cost more than the counting. Things are compared, hashes only find their place.
template <typename Thing>
class Numbering {
 public:
  // Forgets everything; `expected` more things will not make it grow.
  void start(std::size_t expected) {
    entries_.clear();
    slots_.assign(std::bit_ceil(2 * expected + 16), kEmpty);
  }

  std::uint32_t operator()(Thing thing, std::uint32_t hash) {
    if (2 * entries_.size() >= slots_.size()) grow();
    const std::size_t mask = slots_.size() - 1;
    std::size_t at = hash & mask;
    while (slots_[at] != kEmpty) {
      const Entry& entry = entries_[slots_[at]];
      if (entry.hash == hash && entry.thing == thing) return slots_[at];
      at = (at + 1) & mask;
    }
    slots_[at] = static_cast<std::uint32_t>(entries_.size());
    entries_.push_back({thing, hash});
    return slots_[at];
  }
  std::size_t size() const { return entries_.size(); }

 private:
  static constexpr std::uint32_t kEmpty = ~std::uint32_t{0};
  struct Entry {
    Thing thing;
    std::uint32_t hash;
  };

  void grow() {
    slots_.assign(2 * slots_.size(), kEmpty);
    const std::size_t mask = slots_.size() - 1;
    for (std::size_t i = 0; i < entries_.size(); ++i) {
      std::size_t at = entries_[i].hash & mask;
      while (slots_[at] != kEmpty) at = (at + 1) & mask;
      slots_[at] = static_cast<std::uint32_t>(i);
    }
  }

  std::vector<Entry> entries_;
  std::vector<std::uint32_t> slots_ = std::vector<std::uint32_t>(16, kEmpty);  // a power of two of them
};

// An n-gram is its (n-1)-gram's number and its last word's: numbering both exactly makes n-grams comparable as one
// integer.
inline std::uint64_t pair(std::uint32_t prefix, std::uint32_t word) {
  return (static_cast<std::uint64_t>(prefix) << 32) | word;
}

// Words at most, for a table's first size.
inline std::size_t count_words(std::span<const std::string_view> texts, const std::vector<std::size_t>& members) {
  std::size_t words = 0;
  for (const std::size_t i : members)
    words += 1 + static_cast<std::size_t>(std::count(texts[i].begin(), texts[i].end(), ' '));
  return words;
}

// The texts of each group, groups in ascending order. ValueError unless there is a text and the sizes agree.
inline std::vector<std::vector<std::size_t>> members_of(std::span<const std::string_view> texts,
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

// The mean over groups of what make_value()(group) gives, summed in order. Groups are computed side by side; each
// thread makes a value of its own, which may keep its memory from one group to the next.
template <typename MakeValue>
double mean_over(const std::vector<std::vector<std::size_t>>& groups, const MakeValue& make_value) {
  std::vector<double> values(groups.size());
  parallel_for(static_cast<std::int64_t>(groups.size()), 1, [&](std::int64_t begin, std::int64_t end) {
    auto value = make_value();
    for (auto g = static_cast<std::size_t>(begin); g < static_cast<std::size_t>(end); ++g) values[g] = value(groups[g]);
  });
  double sum = 0;
  for (const double v : values) sum += v;
  return sum / static_cast<double>(values.size());
}

}  // namespace contlm::metrics

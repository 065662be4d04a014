// dist-n (Li et al., "A Diversity-Promoting Objective Function", NAACL 2016) as DExperts computes it: distinct n-grams
// over total words, of the texts generated for one prompt; words are what splitting on single spaces gives (so an empty
// text is one empty word, and two spaces hold an empty word between them).
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace contlm::metrics {

// The mean over groups of |distinct n-grams| / |words|. group [texts], any values: texts with the same value belong
// together. n-grams are compared by their words, exactly (no hashing of content). ValueError unless n >= 1, there is a
// text, and the sizes agree.
double dist_n(std::span<const std::string_view> texts, std::span<const std::int64_t> group, std::int64_t n);

}  // namespace contlm::metrics

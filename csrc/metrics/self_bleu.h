// Self-BLEU (Zhu et al., "Texygen", SIGIR 2018): how much the texts generated for one prompt repeat each other. Each
// text is scored by BLEU (Papineni et al., ACL 2002) against all the others of its group: 0 shares no word, 1 is a
// copy.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace contlm::metrics {

// The mean over groups of the mean over a group's texts of BLEU-n with equal weights, clipped counts, the brevity
// penalty of the closest reference length (the shorter of two), and 0.1 for an order without a match (Chen & Cherry
// 2014, method 1); a text without a common word scores 0. Words as in words.h. ValueError unless n >= 1, there is a
// text, the sizes agree, and every group has two texts.
double self_bleu(std::span<const std::string_view> texts, std::span<const std::int64_t> group, std::int64_t n);

}  // namespace contlm::metrics

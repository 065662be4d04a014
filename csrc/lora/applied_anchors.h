// How one forward pass applies the anchors: which weights its products use, and what is added to them on the fly. It is
// where the pass stands in weight space.
#pragma once

#include <map>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "lora/packed_bank.h"

namespace contlm::lora {

// A merged module, packed for products; undefined members mean the base's own.
struct MergedModule {
  at::Tensor weight;
  at::Tensor bias;
};
// By input group and place in it, as InputGroups.
using MergedWeights = std::vector<std::vector<MergedModule>>;

// Embeddings are always banked: looking a delta up costs less than merging a vocabulary.
using EmbeddingBanks = std::map<std::string, BankEmbedding>;

// Three ways of applying c, in one form: merged alone, bank alone, or (hybrid) what all rows share merged and the rest
// banked. The packed bank holds the anchors that `merged` does not, so `coeffs` is the whole c in every case.
struct AppliedAnchors {
  const MergedWeights* merged = nullptr;
  const PackedBank* bank = nullptr;
  const EmbeddingBanks* embeddings = nullptr;
  at::Tensor coeffs;  // [T, K] fp32, one row per token

  // The same for some of the tokens.
  AppliedAnchors select(const at::Tensor& tokens) const {
    AppliedAnchors chosen = *this;
    if (coeffs.defined()) chosen.coeffs = coeffs.index_select(0, tokens);
    return chosen;
  }
  AppliedAnchors slice(std::int64_t begin, std::int64_t end) const {
    AppliedAnchors chosen = *this;
    if (coeffs.defined()) chosen.coeffs = coeffs.slice(0, begin, end);
    return chosen;
  }
};

}  // namespace contlm::lora

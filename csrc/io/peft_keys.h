// The tensor keys of a PEFT adapter: "base_model.model.<module>.lora_A.weight" and its relatives.
#pragma once

#include <string>

namespace contlm::io {

enum class LoraRole {
  lora_A,
  lora_B,
  lora_bias,
  embedding_A,
  embedding_B,
  magnitude,    // DoRA's
  base_weight,  // a copy of a base module's own weight, which PEFT saves beside adapted or resized embeddings
  unknown,
};

struct LoraKey {
  std::string module;  // without "base_model.model."
  LoraRole role;
  std::string adapter;  // the adapter's name where the key holds one
  bool has_prefix;      // "base_model.model."
};

LoraKey parse_lora_key(const std::string& key);

}  // namespace contlm::io

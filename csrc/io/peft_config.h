// adapter_config.json of a LoRA adapter: what the reader uses of it, with everything rejected that would make the
// adapter mean something else than scaling * B A on linear layers and embeddings (docs/peft-format.md).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace contlm::io {

// What an adapter is opened as. A classifier (task_type SEQ_CLS) replaces the language model's head by one of its own,
// `score`, which PEFT saves beside the factors (modules_to_save); an anchor may replace nothing.
enum class AdapterUse { anchor, classifier };

// target_modules, exclude_modules: absent, a pattern that must match a whole name, or names and endings of names.
using ModuleSelector = std::variant<std::monostate, std::string, std::vector<std::string>>;

struct PeftConfig {
  std::int64_t r = 8;
  double lora_alpha = 8;
  bool use_rslora = false;
  bool lora_bias = false;
  bool ensure_weight_tying = false;
  std::vector<std::pair<std::string, std::int64_t>> rank_pattern;  // in the file's order: the first match counts
  std::vector<std::pair<std::string, double>> alpha_pattern;       // likewise
  ModuleSelector target_modules;
  ModuleSelector exclude_modules;
  std::vector<std::int64_t> layers_to_transform;  // empty: all
  std::vector<std::string> layers_pattern;
  std::string base_model_name_or_path;
};

// AdapterError, opening with `where` and the field's name.
PeftConfig parse_peft_config(const std::string& text, const std::string& where, AdapterUse use);

}  // namespace contlm::io

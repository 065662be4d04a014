#include "io/peft_keys.h"

#include <array>
#include <string_view>

namespace contlm::io {
namespace {

constexpr std::string_view kPrefix = "base_model.model.";

// What stands between the module and the adapter's name, and what after it.
struct KeyForm {
  std::string_view marker;
  std::string_view ending;
  LoraRole role;
};
constexpr std::array<KeyForm, 5> kForms = {{
    {".lora_A", ".weight", LoraRole::lora_A},
    {".lora_B", ".weight", LoraRole::lora_B},
    {".lora_B", ".bias", LoraRole::lora_bias},
    {".lora_embedding_A", "", LoraRole::embedding_A},
    {".lora_embedding_B", "", LoraRole::embedding_B},
}};

}  // namespace

LoraKey parse_lora_key(const std::string& key) {
  std::string_view rest = key;
  const bool has_prefix = rest.starts_with(kPrefix);
  if (has_prefix) rest.remove_prefix(kPrefix.size());
  for (const KeyForm& form : kForms) {
    const std::size_t at = rest.rfind(form.marker);
    if (at == std::string_view::npos || at == 0 || !rest.ends_with(form.ending)) continue;
    std::string_view adapter = rest.substr(at + form.marker.size());
    if (adapter.size() < form.ending.size()) continue;
    adapter.remove_suffix(form.ending.size());
    const bool named = adapter.size() > 1 && adapter.front() == '.' && adapter.find('.', 1) == std::string_view::npos;
    if (!adapter.empty() && !named) continue;
    return {std::string(rest.substr(0, at)), form.role, std::string(named ? adapter.substr(1) : adapter), has_prefix};
  }
  if (const std::size_t at = rest.find(".lora_magnitude_vector"); at != std::string_view::npos) {
    return {std::string(rest.substr(0, at)), LoraRole::magnitude, "", has_prefix};
  }
  for (const std::string_view ending : {std::string_view(".base_layer.weight"), std::string_view(".weight")}) {
    if (rest.ends_with(ending)) {
      return {std::string(rest.substr(0, rest.size() - ending.size())), LoraRole::base_weight, "", has_prefix};
    }
  }
  return {std::string(rest), LoraRole::unknown, "", has_prefix};
}

}  // namespace contlm::io

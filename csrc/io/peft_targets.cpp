#include "io/peft_targets.h"

#include <algorithm>
#include <cctype>

#include "common/error.h"
#include "io/listing.h"

namespace contlm::io {
namespace {

// Enough for thousands of module names; what a config may cost is bounded.
constexpr std::size_t kMaxInstructions = 100'000;

PythonRegex compile(const std::string& pattern, const std::string& shown, const std::string& field,
                    const std::string& where) {
  try {
    return PythonRegex(pattern);
  } catch (const RegexError& error) {
    throw AdapterError(message(where, ": \"", field, "\" must hold patterns of Python's re, got \"", shown, "\" (",
                               error.what(), "); write it more simply or list the modules' names"));
  }
}

bool equals_or_ends_with(const std::string& module, const std::string& name) {
  return module == name || module.ends_with("." + name);
}

bool is_number(const std::string& text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](unsigned char c) { return std::isdigit(c); });
}

}  // namespace

TargetRule::Selector::Selector(const ModuleSelector& selector, const char* field, const std::string& where) {
  if (const std::string* pattern = std::get_if<std::string>(&selector))
    pattern_ = compile(*pattern, *pattern, field, where);
  if (const auto* names = std::get_if<std::vector<std::string>>(&selector)) names_ = *names;
}

bool TargetRule::Selector::selects(const std::string& module) const {
  if (pattern_) return pattern_->fullmatch(module);
  return std::any_of(names_.begin(), names_.end(), [&](const auto& name) { return equals_or_ends_with(module, name); });
}

bool TargetRule::Selector::names_exactly(const std::string& module) const {
  return pattern_ ? pattern_->fullmatch(module) : std::find(names_.begin(), names_.end(), module) != names_.end();
}

TargetRule::TargetRule(const PeftConfig& config, std::string output_head, const std::string& where)
    : config_(config), output_head_(std::move(output_head)) {
  const std::string* pattern = std::get_if<std::string>(&config.target_modules);
  std::string lower = pattern ? *pattern : "";
  std::transform(lower.begin(), lower.end(), lower.begin(), [](unsigned char c) { return std::tolower(c); });
  all_linear_ = lower == "all-linear";
  if (!all_linear_ && config.target_modules.index() != 0)
    target_.emplace(config.target_modules, "target_modules", where);
  // PEFT takes an empty exclude_modules for none, where an empty pattern would match nothing anyway.
  if (config.exclude_modules.index() != 0) exclude_.emplace(config.exclude_modules, "exclude_modules", where);
  for (const std::string& layers : config.layers_pattern) {
    layers_.push_back(compile("(?:.*\\.)?" + layers, layers, "layers_pattern", where));
  }
}

std::optional<bool> TargetRule::targets(const std::string& module, BaseModule::Kind kind) const {
  if (exclude_ && exclude_->selects(module)) return false;
  if (all_linear_) return kind != BaseModule::Kind::embedding && module != output_head_;
  if (!target_) return std::nullopt;
  if (target_->names_exactly(module)) return true;
  return target_->selects(module) && layer_is_transformed(module);
}

// A layer's index is the first number between two dots that follows one of the layers' names, or, where the config
// names none, that follows at least two names.
bool TargetRule::layer_is_transformed(const std::string& module) const {
  if (config_.layers_to_transform.empty()) return true;
  std::size_t names = 0;
  for (std::size_t begin = 0, end; (end = module.find('.', begin)) != std::string::npos; begin = end + 1, ++names) {
    const std::string part = module.substr(begin, end - begin);
    if (begin == 0 || !is_number(part)) continue;
    const std::string before = module.substr(0, begin - 1);
    const bool is_index = layers_.empty() ? names >= 2
                                          : std::any_of(layers_.begin(), layers_.end(),
                                                        [&](const auto& layers) { return layers.fullmatch(before); });
    if (!is_index) continue;
    const auto& wanted = config_.layers_to_transform;
    return std::any_of(wanted.begin(), wanted.end(), [&](std::int64_t index) { return part == std::to_string(index); });
  }
  return false;
}

void PatternTable::add(const std::string& pattern, double value, const std::string& where) {
  entries_.push_back({pattern, compile("(.*\\.)?(" + pattern + ")$", pattern, field_, where), value});
  instructions_ += entries_.back().regex.size();
  CONTLM_CHECK(instructions_ <= kMaxInstructions, AdapterError, where, ": \"", field_,
               "\" must stay within what can be matched in reasonable time, got ", entries_.size(),
               " patterns or more; write fewer or simpler ones");
}

double PatternTable::value(const std::string& module) {
  std::vector<std::string> matched;
  const Entry* first = nullptr;
  for (const Entry& entry : entries_) {
    if (!entry.regex.match(module)) continue;
    if (first == nullptr) first = &entry;
    matched.push_back(entry.text);
  }
  if (matched.size() > 1) overlaps_[matched].push_back(module);
  if (first != nullptr) return first->value;
  // PEFT then looks the name up as it stands, whatever it would mean as a pattern.
  const auto literal =
      std::find_if(entries_.begin(), entries_.end(), [&](const Entry& entry) { return entry.text == module; });
  return literal == entries_.end() ? fallback_ : literal->value;
}

std::vector<std::string> PatternTable::warnings() const {
  std::vector<std::string> warnings;
  for (const auto& [patterns, modules] : overlaps_) {
    warnings.push_back(message("\"", field_, "\": several patterns match ", listing(modules, 3), ": ",
                               listing(patterns),
                               "; the first in the file is taken, as PEFT does; make them disjoint"));
  }
  return warnings;
}

}  // namespace contlm::io

#include "io/peft_targets.h"

#include <algorithm>
#include <cctype>

#include "common/error.h"
#include "io/listing.h"

namespace contlm::io {
namespace {

bool equals_or_ends_with(const std::string& module, const std::string& name) {
  return module == name || module.ends_with("." + name);
}

bool is_number(const std::string& text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](unsigned char c) { return std::isdigit(c); });
}

// A module's name up to each of its parts that is a number, which may be a layer's index.
std::vector<std::string> before_numbers(const std::string& module) {
  std::vector<std::string> found;
  for (std::size_t begin = 0, end; (end = module.find('.', begin)) != std::string::npos; begin = end + 1) {
    if (begin > 0 && is_number(module.substr(begin, end - begin))) found.push_back(module.substr(0, begin - 1));
  }
  return found;
}

}  // namespace

std::vector<std::set<std::string>> PatternNames::matched(const std::string& field,
                                                         const std::vector<std::string>& patterns,
                                                         const std::vector<std::string>& names) const {
  if (patterns.empty()) return {};
  std::vector<std::set<std::string>> matched;
  for (const std::vector<std::size_t>& indices : match_(field, patterns, names, where_)) {
    std::set<std::string>& found = matched.emplace_back();
    for (const std::size_t index : indices) found.insert(names[index]);
  }
  return matched;
}

TargetRule::Selector::Selector(const ModuleSelector& selector, const char* field, const PatternNames& names)
    : by_pattern_(std::holds_alternative<std::string>(selector)) {
  if (by_pattern_) {
    names_ = names.matched(field, {std::get<std::string>(selector)}).front();
  } else {
    const auto& listed = std::get<std::vector<std::string>>(selector);
    names_.insert(listed.begin(), listed.end());
  }
}

bool TargetRule::Selector::selects(const std::string& module) const {
  if (by_pattern_) return names_.contains(module);
  return std::any_of(names_.begin(), names_.end(), [&](const auto& name) { return equals_or_ends_with(module, name); });
}

bool TargetRule::Selector::names_exactly(const std::string& module) const { return names_.contains(module); }

TargetRule::TargetRule(const PeftConfig& config, std::string output_head, const PatternNames& names)
    : config_(config), output_head_(std::move(output_head)) {
  const std::string* pattern = std::get_if<std::string>(&config.target_modules);
  std::string lower = pattern ? *pattern : "";
  std::transform(lower.begin(), lower.end(), lower.begin(), [](unsigned char c) { return std::tolower(c); });
  all_linear_ = lower == "all-linear";
  if (!all_linear_ && config.target_modules.index() != 0)
    target_.emplace(config.target_modules, "target_modules", names);
  // PEFT takes an empty exclude_modules for none, where an empty pattern would match nothing anyway.
  if (config.exclude_modules.index() != 0) exclude_.emplace(config.exclude_modules, "exclude_modules", names);
  if (config.layers_pattern.empty()) return;
  std::set<std::string> befores;
  for (const std::string& module : names.names()) {
    const std::vector<std::string> found = before_numbers(module);
    befores.insert(found.begin(), found.end());
  }
  for (std::set<std::string>& matched :
       names.matched("layers_pattern", config.layers_pattern, {befores.begin(), befores.end()}))
    layers_.merge(matched);
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
  for (const std::string& before : before_numbers(module)) {
    const bool is_index =
        config_.layers_pattern.empty() ? before.find('.') != std::string::npos : layers_.contains(before);
    if (!is_index) continue;
    const std::size_t begin = before.size() + 1;
    const std::string index = module.substr(begin, module.find('.', begin) - begin);
    const auto& wanted = config_.layers_to_transform;
    return std::any_of(wanted.begin(), wanted.end(),
                       [&](std::int64_t layer) { return index == std::to_string(layer); });
  }
  return false;
}

double PatternTable::value(const std::string& module) {
  std::vector<std::string> matched;
  const Entry* first = nullptr;
  for (const Entry& entry : entries_) {
    if (!entry.matched.contains(module)) continue;
    if (first == nullptr) first = &entry;
    matched.push_back(entry.pattern);
  }
  if (matched.size() > 1) overlaps_[matched].push_back(module);
  if (first != nullptr) return first->value;
  // PEFT then looks the name up as it stands, whatever it would mean as a pattern.
  const auto literal =
      std::find_if(entries_.begin(), entries_.end(), [&](const Entry& entry) { return entry.pattern == module; });
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

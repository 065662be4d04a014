// Which of the base's modules an adapter's config adapts, and with which rank and lora_alpha: PEFT's own rules, applied
// to names. Module names here are the adapter's, without "base_model.model.".
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "io/peft_adapter.h"
#include "io/peft_config.h"

namespace contlm::io {

// The names on which an adapter's patterns are matched, each field's in one call.
class PatternNames {
 public:
  PatternNames(const NameMatcher& match, std::vector<std::string> names, std::string where)
      : match_(match), names_(std::move(names)), where_(std::move(where)) {}

  const std::vector<std::string>& names() const { return names_; }
  // For each pattern, the names that it matches.
  std::vector<std::set<std::string>> matched(const std::string& field, const std::vector<std::string>& patterns) const {
    return matched(field, patterns, names_);
  }
  std::vector<std::set<std::string>> matched(const std::string& field, const std::vector<std::string>& patterns,
                                             const std::vector<std::string>& names) const;

 private:
  const NameMatcher& match_;
  std::vector<std::string> names_;
  std::string where_;
};

class TargetRule {
 public:
  // `output_head` is the name that target_modules = "all-linear" leaves out.
  TargetRule(const PeftConfig& config, std::string output_head, const PatternNames& names);

  // Of one of the names. Nothing when the config leaves target_modules to PEFT's table of architectures: the tensors
  // alone decide then.
  std::optional<bool> targets(const std::string& module, BaseModule::Kind kind) const;

 private:
  class Selector {
   public:
    Selector(const ModuleSelector& selector, const char* field, const PatternNames& names);
    bool selects(const std::string& module) const;
    bool names_exactly(const std::string& module) const;

   private:
    bool by_pattern_;
    std::set<std::string> names_;  // those that the pattern matches, or those listed
  };

  bool layer_is_transformed(const std::string& module) const;

  const PeftConfig& config_;
  std::string output_head_;
  bool all_linear_;
  std::optional<Selector> target_;
  std::optional<Selector> exclude_;
  std::set<std::string> layers_;  // what stands before a layer's index, by layers_pattern
};

// rank_pattern or alpha_pattern. The first pattern, in the file's order, that matches a module gives its value.
class PatternTable {
 public:
  template <typename Value>
  PatternTable(const std::vector<std::pair<std::string, Value>>& patterns, double fallback, const char* field,
               const PatternNames& names)
      : fallback_(fallback), field_(field) {
    std::vector<std::string> texts;
    for (const auto& [pattern, value] : patterns) texts.push_back(pattern);
    std::vector<std::set<std::string>> matched = names.matched(field, texts);
    for (std::size_t i = 0; i < patterns.size(); ++i)
      entries_.push_back({std::move(texts[i]), std::move(matched[i]), static_cast<double>(patterns[i].second)});
  }

  double value(const std::string& module);
  // One line for every set of patterns that met on a module.
  std::vector<std::string> warnings() const;

 private:
  struct Entry {
    std::string pattern;
    std::set<std::string> matched;
    double value;
  };

  std::vector<Entry> entries_;
  double fallback_;
  const char* field_;
  std::map<std::vector<std::string>, std::vector<std::string>> overlaps_;  // patterns -> modules
};

}  // namespace contlm::io

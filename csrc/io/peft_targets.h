// Which of the base's modules an adapter's config adapts, and with which rank and lora_alpha: PEFT's own rules, applied
// to names. Module names here are the adapter's, without "base_model.model.".
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "io/peft_adapter.h"
#include "io/peft_config.h"
#include "io/python_regex.h"

namespace contlm::io {

class TargetRule {
 public:
  // `output_head` is the name that target_modules = "all-linear" leaves out.
  TargetRule(const PeftConfig& config, std::string output_head, const std::string& where);

  // Nothing when the config leaves target_modules to PEFT's table of architectures: the tensors alone decide then.
  std::optional<bool> targets(const std::string& module, BaseModule::Kind kind) const;

 private:
  class Selector {
   public:
    Selector(const ModuleSelector& selector, const char* field, const std::string& where);
    bool selects(const std::string& module) const;
    bool names_exactly(const std::string& module) const;

   private:
    std::optional<PythonRegex> pattern_;
    std::vector<std::string> names_;
  };

  bool layer_is_transformed(const std::string& module) const;

  const PeftConfig& config_;
  std::string output_head_;
  bool all_linear_;
  std::optional<Selector> target_;
  std::optional<Selector> exclude_;
  std::vector<PythonRegex> layers_;
};

// rank_pattern or alpha_pattern. The first pattern, in the file's order, that matches a module gives its value.
class PatternTable {
 public:
  template <typename Value>
  PatternTable(const std::vector<std::pair<std::string, Value>>& patterns, double fallback, const char* field,
               const std::string& where)
      : fallback_(fallback), field_(field) {
    for (const auto& [pattern, value] : patterns) add(pattern, static_cast<double>(value), where);
  }

  double value(const std::string& module);
  // One line for every set of patterns that met on a module.
  std::vector<std::string> warnings() const;

 private:
  struct Entry {
    std::string text;
    PythonRegex regex;
    double value;
  };
  void add(const std::string& pattern, double value, const std::string& where);

  std::vector<Entry> entries_;
  std::size_t instructions_ = 0;
  double fallback_;
  const char* field_;
  std::map<std::vector<std::string>, std::vector<std::string>> overlaps_;  // patterns -> modules
};

}  // namespace contlm::io

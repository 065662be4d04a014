// config.json of a HuggingFace model, with typed access whose errors name the file and the field.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "common/error.h"

namespace contlm::io {

class HfConfig {
 public:
  // `text` is the JSON; `where` its file, for messages. CheckpointError when it is not a JSON object.
  HfConfig(const std::string& text, std::string where);

  const std::string& where() const { return where_; }
  std::string model_type() const;
  std::vector<std::string> architectures() const;

  // A field that is absent or null counts as missing: `require` throws CheckpointError then, `get` gives the default.
  // A field of another JSON type is a CheckpointError naming both types.
  bool has(const std::string& key) const;
  std::int64_t require_int(const std::string& key) const;
  std::int64_t get_int(const std::string& key, std::int64_t fallback) const;
  double get_float(const std::string& key, double fallback) const;
  bool get_bool(const std::string& key, bool fallback) const;
  std::string get_string(const std::string& key, const std::string& fallback) const;
  // The object under `key` as a config of its own (its errors say "where: key.field"), or nothing.
  std::optional<HfConfig> get_object(const std::string& key) const;
  std::vector<std::string> get_strings(const std::string& key) const;  // [] when missing
  std::vector<double> get_floats(const std::string& key) const;        // [] when missing
  const nlohmann::json& json() const { return json_; }

 private:
  HfConfig(nlohmann::json json, std::string where) : json_(std::move(json)), where_(std::move(where)) {}
  nlohmann::json json_;
  std::string where_;
};

}  // namespace contlm::io

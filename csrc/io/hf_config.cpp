#include "io/hf_config.h"

#include <limits>

#include "io/json.h"

namespace contlm::io {
namespace {

[[noreturn]] void wrong_type(const std::string& where, const std::string& key, const char* wanted,
                             const nlohmann::json& value) {
  throw CheckpointError(message(where, ": \"", key, "\" must be ", wanted, ", got ", value.type_name(), " ",
                                value.dump(), "; correct the file"));
}

std::int64_t as_int(const nlohmann::json& value, const std::string& where, const std::string& key) {
  constexpr auto kMax = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  if (!value.is_number_integer() || (value.is_number_unsigned() && value.get<std::uint64_t>() > kMax)) {
    wrong_type(where, key, "an integer of 64 bits", value);
  }
  return value.get<std::int64_t>();
}

}  // namespace

HfConfig::HfConfig(const std::string& text, std::string where)
    : json_(parse_json<nlohmann::json>(text)), where_(std::move(where)) {
  CONTLM_CHECK(json_.is_object(), CheckpointError, where_, ": must be a JSON object, got ",
               json_.is_discarded() ? kNotJson : json_.type_name(), "; download the file again");
}

std::string HfConfig::model_type() const {
  CONTLM_CHECK(has("model_type"), CheckpointError, where_,
               ": \"model_type\" must be there, it is missing; this is not the config.json of a transformers model");
  return get_string("model_type", "");
}

std::vector<std::string> HfConfig::architectures() const { return get_strings("architectures"); }

bool HfConfig::has(const std::string& key) const { return json_.contains(key) && !json_.at(key).is_null(); }

std::int64_t HfConfig::require_int(const std::string& key) const {
  CONTLM_CHECK(has(key), CheckpointError, where_, ": \"", key,
               "\" must be there, it is missing; check that the file belongs to a model of this type");
  return as_int(json_.at(key), where_, key);
}

std::int64_t HfConfig::get_int(const std::string& key, std::int64_t fallback) const {
  return has(key) ? as_int(json_.at(key), where_, key) : fallback;
}

double HfConfig::get_float(const std::string& key, double fallback) const {
  if (!has(key)) return fallback;
  const nlohmann::json& value = json_.at(key);
  if (!value.is_number()) wrong_type(where_, key, "a number", value);
  return value.get<double>();
}

bool HfConfig::get_bool(const std::string& key, bool fallback) const {
  if (!has(key)) return fallback;
  const nlohmann::json& value = json_.at(key);
  if (!value.is_boolean()) wrong_type(where_, key, "true or false", value);
  return value.get<bool>();
}

std::string HfConfig::get_string(const std::string& key, const std::string& fallback) const {
  if (!has(key)) return fallback;
  const nlohmann::json& value = json_.at(key);
  if (!value.is_string()) wrong_type(where_, key, "a string", value);
  return value.get<std::string>();
}

std::optional<HfConfig> HfConfig::get_object(const std::string& key) const {
  if (!has(key)) return std::nullopt;
  const nlohmann::json& value = json_.at(key);
  if (!value.is_object()) wrong_type(where_, key, "an object", value);
  return HfConfig(value, where_ + ": " + key);
}

std::vector<std::string> HfConfig::get_strings(const std::string& key) const {
  std::vector<std::string> strings;
  if (!has(key)) return strings;
  const nlohmann::json& value = json_.at(key);
  if (!value.is_array()) wrong_type(where_, key, "an array of strings", value);
  for (const nlohmann::json& item : value) {
    if (!item.is_string()) wrong_type(where_, key, "an array of strings", value);
    strings.push_back(item.get<std::string>());
  }
  return strings;
}

std::vector<double> HfConfig::get_floats(const std::string& key) const {
  std::vector<double> numbers;
  if (!has(key)) return numbers;
  const nlohmann::json& value = json_.at(key);
  if (!value.is_array()) wrong_type(where_, key, "an array of numbers", value);
  for (const nlohmann::json& item : value) {
    if (!item.is_number()) wrong_type(where_, key, "an array of numbers", value);
    numbers.push_back(item.get<double>());
  }
  return numbers;
}

}  // namespace contlm::io

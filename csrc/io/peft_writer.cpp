#include <algorithm>
#include <cctype>

#include <ATen/ops/zeros.h>
#include <nlohmann/json.hpp>

#include "common/error.h"
#include "io/files.h"
#include "io/listing.h"
#include "io/peft_adapter.h"

namespace contlm::io {
namespace {

namespace fs = std::filesystem;
using Factors = std::map<std::string, LoraFactors>;

void check_factors(const std::string& module, const LoraFactors& lora, const BaseModules& base,
                   const std::string& where) {
  const auto found = base.modules.find(module);
  CONTLM_CHECK(found != base.modules.end(), ValueError, where, ": module \"", module,
               "\" must be one of the base's, it is not; check the name");
  const auto [kind, in, out] = found->second;
  const bool fits = lora.A.dim() == 2 && lora.B.dim() == 2 && lora.A.size(0) > 0 && lora.A.size(0) == lora.B.size(1) &&
                    lora.A.size(1) == in && lora.B.size(0) == out;
  CONTLM_CHECK(fits, ValueError, where, ": module \"", module, "\": A must be [r, ", in, "] and B [", out,
               ", r] with r of at least 1, got ", shape_text(lora.A.sizes()), " and ", shape_text(lora.B.sizes()),
               "; check the factors");
  if (!lora.bias.defined()) return;
  CONTLM_CHECK(lora.bias.dim() == 1 && lora.bias.size(0) == out && kind != BaseModule::Kind::embedding, ValueError,
               where, ": module \"", module, "\": a bias must be [", out, "] on a layer that is no embedding, got ",
               shape_text(lora.bias.sizes()), "; check the bias");
}

// PEFT's keys. `with_bias`: lora_bias holds for all modules or for none.
std::map<std::string, at::Tensor> name_tensors(const Factors& modules, const BaseModules& base, bool with_bias) {
  std::map<std::string, at::Tensor> tensors;
  for (const auto& [module, lora] : modules) {
    const std::string stem = "base_model.model." + module;
    if (base.modules.at(module).kind == BaseModule::Kind::embedding) {
      tensors[stem + ".lora_embedding_A"] = lora.A;
      tensors[stem + ".lora_embedding_B"] = lora.B;
      continue;
    }
    tensors[stem + ".lora_A.weight"] = lora.A;
    tensors[stem + ".lora_B.weight"] = lora.B;
    if (with_bias) {
      tensors[stem + ".lora_B.bias"] = lora.bias.defined() ? lora.bias : at::zeros({lora.B.size(0)}, lora.B.options());
    }
  }
  return tensors;
}

std::int64_t most_common_rank(const Factors& modules) {
  std::map<std::int64_t, std::size_t> counts;
  for (const auto& [module, lora] : modules) ++counts[lora.A.size(0)];
  return std::max_element(counts.begin(), counts.end(),
                          [](const auto& a, const auto& b) { return a.second < b.second; })
      ->first;
}

std::string escaped(const std::string& name) {
  std::string pattern;
  for (const char c : name) {
    if (!std::isalnum(static_cast<unsigned char>(c)) && c != '_') pattern += '\\';
    pattern += c;
  }
  return pattern;
}

// Full names. A name in a list also selects every module that ends with it, so where that would reach a module that is
// not adapted, one pattern of all names stands instead.
nlohmann::ordered_json target_modules(const Factors& modules, const BaseModules& base) {
  std::vector<std::string> names;
  std::string pattern;
  bool reaches_too_far = false;
  for (const auto& [module, lora] : modules) {
    names.push_back(module);
    if (!pattern.empty()) pattern += '|';
    pattern += escaped(module);
    for (const auto& [other, shape] : base.modules) {
      reaches_too_far = reaches_too_far || (other.ends_with("." + module) && !modules.contains(other));
    }
  }
  if (reaches_too_far) return pattern;
  return names;
}

std::string encode_config(const Factors& modules, const BaseModules& base, bool with_bias) {
  const std::int64_t r = most_common_rank(modules);
  std::vector<std::pair<std::string, std::int64_t>> others;
  bool has_conv1d = false;
  for (const auto& [module, lora] : modules) {
    has_conv1d = has_conv1d || base.modules.at(module).kind == BaseModule::Kind::conv1d;
    others.emplace_back(module, lora.A.size(0));
  }
  // A pattern also matches names that end with it, and the first match counts: the longer name comes first. For that
  // reason every module is named once any module is.
  std::stable_sort(others.begin(), others.end(),
                   [](const auto& a, const auto& b) { return a.first.size() > b.first.size(); });
  nlohmann::ordered_json pattern = nlohmann::ordered_json::object();
  const bool uniform = std::all_of(others.begin(), others.end(), [&](const auto& other) { return other.second == r; });
  for (const auto& [module, rank] : others) {
    if (!uniform) pattern[module] = rank;
  }
  nlohmann::ordered_json config;
  config["peft_type"] = "LORA";
  config["task_type"] = "CAUSAL_LM";
  config["base_model_name_or_path"] = base.name.empty() ? nlohmann::ordered_json() : nlohmann::ordered_json(base.name);
  config["inference_mode"] = true;
  config["r"] = r;
  config["lora_alpha"] = r;
  config["rank_pattern"] = pattern;
  config["alpha_pattern"] = pattern;
  config["target_modules"] = target_modules(modules, base);
  config["lora_bias"] = with_bias;
  config["fan_in_fan_out"] = has_conv1d;
  config["lora_dropout"] = 0.0;
  config["bias"] = "none";
  config["use_rslora"] = false;
  config["use_dora"] = false;
  config["init_lora_weights"] = true;
  config["modules_to_save"] = nullptr;
  return config.dump(2) + "\n";
}

}  // namespace

void write_peft_adapter(const fs::path& directory, const Factors& modules, const BaseModules& base) {
  const std::string where = directory.string();
  CONTLM_CHECK(!modules.empty(), ValueError, where,
               ": an adapter must adapt at least one module, got none; check the point");
  bool with_bias = false, with_embedding = false;
  for (const auto& [module, lora] : modules) {
    check_factors(module, lora, base, where);
    with_bias = with_bias || lora.bias.defined();
    with_embedding = with_embedding || base.modules.at(module).kind == BaseModule::Kind::embedding;
  }
  CONTLM_CHECK(
      !with_bias || !with_embedding, ValueError, where,
      ": biases must not stand beside adapted embeddings, which PEFT's lora_bias does not allow, got both; save the "
      "merged model instead");
  const std::string config_text = encode_config(modules, base, with_bias);

  std::error_code error;
  const bool made = fs::create_directories(directory, error);
  CONTLM_CHECK(!error, IoError, where, ": cannot create the folder: ", error.message(),
               "; check the path and its permissions");
  try {
    AtomicFile tensors_file(directory / "adapter_model.safetensors");
    AtomicFile config_file(directory / "adapter_config.json");
    const std::map<std::string, at::Tensor> tensors = name_tensors(modules, base, with_bias);
    const std::vector<TensorSpec> specs = specs_of(tensors);
    write_safetensors_to(tensors_file, where, specs, [&](std::size_t i) { return tensors.at(specs[i].name); },
                         {{"format", "pt"}});
    config_file.write(config_text.data(), config_text.size());
    // Both are whole on disk before either takes its name, so that a full disk cannot pair new tensors with an old
    // config.
    tensors_file.flush();
    config_file.flush();
    tensors_file.commit();
    config_file.commit();
  } catch (...) {
    if (made) fs::remove(directory, error);
    throw;
  }
}

}  // namespace contlm::io

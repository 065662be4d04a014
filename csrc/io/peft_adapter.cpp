#include "io/peft_adapter.h"

#include <algorithm>
#include <cmath>
#include <set>

#include <ATen/ops/equal.h>

#include "common/error.h"
#include "io/files.h"
#include "io/listing.h"
#include "io/peft_config.h"
#include "io/peft_keys.h"
#include "io/peft_targets.h"

namespace contlm::io {
namespace {

namespace fs = std::filesystem;

// How the adapter's module names relate to the base's: equal, or one leading level apart ("layers.0..." saved from the
// bare model, "model.layers.0..." in the causal one).
class Naming {
 public:
  Naming(const std::set<std::string>& names, const BaseModules& base, const std::string& where) {
    const auto resolves = [&](const Naming& naming) {
      return std::all_of(names.begin(), names.end(), [&](const std::string& name) {
        return base.modules.contains(name) || base.modules.contains(naming.shift(name));
      });
    };
    if (resolves(*this)) return;
    std::set<std::string> base_levels, adapter_levels;
    for (const auto& [module, shape] : base.modules) base_levels.insert(module.substr(0, module.find('.')));
    for (const std::string& name : names) adapter_levels.insert(name.substr(0, name.find('.')));
    std::vector<Naming> fitting;
    for (const std::string& level : base_levels) {
      if (const Naming naming(level + ".", ""); resolves(naming)) fitting.push_back(naming);
    }
    for (const std::string& level : adapter_levels) {
      if (const Naming naming("", level + "."); resolves(naming)) fitting.push_back(naming);
    }
    CONTLM_CHECK(fitting.size() <= 1, AdapterError, where, ": module names must name the base's modules, \"",
                 *names.begin(), "\" could stand for \"", fitting.front().shift(*names.begin()), "\" or \"",
                 fitting.back().shift(*names.begin()), "\"; rename the tensors as the base names its modules");
    if (fitting.size() == 1) *this = fitting.front();
  }

  bool differs() const { return !base_has_.empty() || !adapter_has_.empty(); }
  std::string describe() const {
    return base_has_.empty() ? "one level \"" + adapter_has_ + "\" more" : "one level \"" + base_has_ + "\" less";
  }
  std::string to_base(const std::string& name, const BaseModules& base) const {
    return base.modules.contains(name) ? name : shift(name);
  }
  // The name under which the adapter's config would know a module of the base.
  std::string to_adapter(const std::string& module) const {
    if (module.starts_with(base_has_)) return adapter_has_ + module.substr(base_has_.size());
    return module;
  }

 private:
  Naming(std::string base_has, std::string adapter_has)
      : base_has_(std::move(base_has)), adapter_has_(std::move(adapter_has)) {}
  std::string shift(const std::string& name) const {
    if (!name.starts_with(adapter_has_)) return name;
    return base_has_ + name.substr(adapter_has_.size());
  }
  std::string base_has_;     // levels with their dot, empty for none
  std::string adapter_has_;  // likewise
};

// The head of a decoder's sequence classifier in transformers, a linear layer without a bias.
constexpr const char* kScore = "score";

// The tensor keys of one module, by role.
using Parts = std::map<LoraRole, std::string>;

class AdapterReader {
 public:
  AdapterReader(const std::string& config, const TensorSource& tensors, const BaseModules& base,
                const NameMatcher& match, const std::string& where, AdapterUse use)
      : tensors_(tensors),
        base_(base),
        match_(match),
        where_(where),
        use_(use),
        config_(parse_peft_config(config, config_where(), use)) {}

  PeftAdapter read() {
    adapter_.where = where_;
    sort_keys();
    const Naming naming(names(), base_, where_);
    if (naming.differs())
      warn("module names have ", naming.describe(), " than the base's; they were matched by the rest");
    rename(naming);
    check_keys(naming);
    check_shapes();
    check_copies(naming);
    std::vector<std::string> adapted;
    for (const auto& [module, name] : adapter_names_) adapted.push_back(name);
    const PatternNames names(match_, adapted, config_where());
    PatternTable ranks(config_.rank_pattern, static_cast<double>(config_.r), "rank_pattern", names);
    PatternTable alphas(config_.alpha_pattern, config_.lora_alpha, "alpha_pattern", names);
    for (const auto& [module, parts] : modules_) {
      const std::string& name = adapter_names_.at(module);
      adapter_.modules.emplace(module, build(module, parts, ranks.value(name), alphas.value(name)));
    }
    if (use_ == AdapterUse::classifier) adapter_.score = factor(score_key_, 2);
    for (const PatternTable* table : {&ranks, &alphas}) {
      for (const std::string& warning : table->warnings()) warn(warning);
    }
    if (names_another_base()) {
      warn("\"base_model_name_or_path\" is \"", config_.base_model_name_or_path, "\", the base is \"", base_.name,
           "\"; its factors mean something only on the model that they were trained on");
    }
    return std::move(adapter_);
  }

 private:
  std::string config_where() const { return where_ + ": adapter_config.json"; }

  template <typename... Text>
  void warn(const Text&... text) {
    adapter_.warnings.push_back(message(where_, ": ", text...));
  }

  void sort_keys() {
    std::set<std::string> adapters;
    std::vector<std::string> bare;
    for (const std::string& key : tensors_.names()) {
      LoraKey parsed = parse_lora_key(key);
      CONTLM_CHECK(parsed.role != LoraRole::magnitude, AdapterError, where_, ": tensor \"", key,
                   "\" must not be there (lora_magnitude_vector is DoRA's, which is not linear in the interpolation's "
                   "coefficient); train with use_dora=False");
      if (parsed.role == LoraRole::unknown || (parsed.role == LoraRole::lora_bias && !config_.lora_bias)) {
        unexpected_.push_back(key);
        continue;
      }
      if (!parsed.has_prefix) bare.push_back(key);
      if (use_ == AdapterUse::classifier && parsed.module == kScore && parsed.role == LoraRole::base_weight) {
        score_key_ = key;
        continue;
      }
      if (parsed.role == LoraRole::base_weight) {
        copies_[parsed.module] = key;
        continue;
      }
      adapters.insert(parsed.adapter);
      const auto [twin, is_new] = modules_[parsed.module].try_emplace(parsed.role, key);
      CONTLM_CHECK(is_new, AdapterError, where_, ": every factor must stand once, \"", twin->second, "\" and \"", key,
                   "\" are the same one; keep one adapter in the file");
    }
    adapters.erase("");
    CONTLM_CHECK(adapters.size() <= 1, AdapterError, where_, ": the file must hold one adapter, it names ",
                 listing({adapters.begin(), adapters.end()}), "; save each to a folder of its own");
    if (!adapters.empty()) {
      warn("keys hold the adapter's name \"", *adapters.begin(),
           "\" before \".weight\"; PEFT leaves it out when it saves");
    }
    if (!bare.empty())
      warn("keys lack the prefix \"base_model.model.\": ", listing(bare, 3), "; they were taken without it");
  }

  std::set<std::string> names() const {
    std::set<std::string> names;
    for (const auto& [name, parts] : modules_) names.insert(name);
    return names;
  }

  // From the adapter's names to the base's.
  void rename(const Naming& naming) {
    std::map<std::string, Parts> renamed;
    for (auto& [name, parts] : modules_) {
      const std::string module = naming.to_base(name, base_);
      const auto [twin, is_new] = adapter_names_.emplace(module, name);
      CONTLM_CHECK(is_new, AdapterError, where_, ": every module must be adapted once, \"", twin->second, "\" and \"",
                   name, "\" both stand for \"", module, "\"; keep one");
      renamed.emplace(module, std::move(parts));
    }
    modules_ = std::move(renamed);
  }

  // Every tensor must belong to a module that the config targets, and every targeted module must have all of its
  // tensors.
  void check_keys(const Naming& naming) {
    std::set<std::string> known;
    for (const auto& [module, shape] : base_.modules) known.insert(naming.to_adapter(module));
    for (const auto& [module, name] : adapter_names_) known.insert(name);
    const TargetRule rule(config_, naming.to_adapter(base_.output_head),
                          PatternNames(match_, {known.begin(), known.end()}, config_where()));
    std::vector<std::string> missing, untargeted;
    for (const auto& [module, parts] : modules_) {
      const auto found = base_.modules.find(module);
      const bool in_base = found != base_.modules.end();
      const std::set<LoraRole> wanted = in_base ? roles(found->second.kind) : std::set<LoraRole>{};
      const bool targeted = in_base && rule.targets(adapter_names_.at(module), found->second.kind).value_or(true);
      for (const auto& [role, key] : parts) {
        if (!wanted.contains(role))
          unexpected_.push_back(key);
        else if (!targeted)
          untargeted.push_back(key);
      }
      const std::string stem = stem_of(parts.begin()->second, adapter_names_.at(module));
      for (const LoraRole role : wanted) {
        if (!parts.contains(role)) missing.push_back(stem + ending(role));
      }
    }
    for (const auto& [module, shape] : base_.modules) {
      if (modules_.contains(module) || !rule.targets(naming.to_adapter(module), shape.kind).value_or(false)) continue;
      for (const LoraRole role : roles(shape.kind)) {
        missing.push_back("base_model.model." + naming.to_adapter(module) + ending(role));
      }
    }
    for (const auto& [name, key] : copies_) {
      if (!base_.modules.contains(naming.to_base(name, base_))) unexpected_.push_back(key);
    }
    if (use_ == AdapterUse::classifier && score_key_.empty())
      missing.push_back(message("base_model.model.", kScore, ".weight"));
    report(missing, untargeted);
  }

  void report(const std::vector<std::string>& missing, const std::vector<std::string>& untargeted) const {
    std::string faults;
    if (!unexpected_.empty()) faults += "; unexpected: " + listing(unexpected_);
    if (!untargeted.empty()) faults += "; outside of what target_modules selects: " + listing(untargeted);
    if (!missing.empty()) faults += "; missing: " + listing(missing);
    const auto is_head = [](const std::string& key) {
      return key.find("score.") != std::string::npos || key.find("classifier.") != std::string::npos;
    };
    const bool has_head = use_ == AdapterUse::anchor && std::any_of(unexpected_.begin(), unexpected_.end(), is_head);
    const auto strangers = std::count_if(modules_.begin(), modules_.end(),
                                         [this](const auto& module) { return !base_.modules.contains(module.first); });
    const bool foreign = 2 * static_cast<std::size_t>(strangers) > modules_.size() || names_another_base();
    CONTLM_CHECK(faults.empty(), AdapterError, where_, ": ", foreign ? another_base() : "",
                 "tensors must be exactly the LoRA factors of the modules that adapter_config.json targets in the base",
                 faults, "; ",
                 has_head ? "an adapter with a classification head cannot steer a language model, train it with "
                            "task_type=\"CAUSAL_LM\""
                          : "check that the adapter belongs to this base model and that both files are of one save");
    CONTLM_CHECK(!modules_.empty(), AdapterError, where_,
                 ": must hold at least one adapted module, it holds none; save the adapter again");
  }

  // One module of another shape is a fault of the file, which build() names; most of them are another base.
  void check_shapes() const {
    std::vector<std::string> differing;
    for (const auto& [module, parts] : modules_) {
      const BaseModule& shape = base_.modules.at(module);
      const bool embedding = shape.kind == BaseModule::Kind::embedding;
      const std::vector<std::int64_t> A =
          tensors_.info(parts.at(embedding ? LoraRole::embedding_A : LoraRole::lora_A)).shape;
      const std::vector<std::int64_t> B =
          tensors_.info(parts.at(embedding ? LoraRole::embedding_B : LoraRole::lora_B)).shape;
      if (A.size() != 2 || B.size() != 2 || (A[1] == shape.in && B[0] == shape.out)) continue;
      differing.push_back(
          message(module, ": ", shape.in, " -> ", shape.out, " in the base, ", A[1], " -> ", B[0], " in the adapter"));
    }
    CONTLM_CHECK(differing.size() < 2 || 2 * differing.size() <= modules_.size(), AdapterError, where_, ": ",
                 another_base(), "modules must have the base's shapes, got ", listing(differing));
  }

  // The first line of a message whose rest lists tensors.
  std::string another_base() const {
    const std::string& trained = config_.base_model_name_or_path;
    const std::string name = base_.name.empty() ? "" : "\"" + base_.name + "\"";
    const std::string base = base_.type + (base_.type.empty() || name.empty() ? "" : " ") + name;
    return message("trained for ", trained.empty() ? "another base" : "\"" + trained + "\"",
                   base.empty() ? "" : ", this base is " + base, "; give the base that it was trained for\n");
  }

  std::set<LoraRole> roles(BaseModule::Kind kind) const {
    if (kind == BaseModule::Kind::embedding) return {LoraRole::embedding_A, LoraRole::embedding_B};
    std::set<LoraRole> roles = {LoraRole::lora_A, LoraRole::lora_B};
    if (config_.lora_bias) roles.insert(LoraRole::lora_bias);
    return roles;
  }

  static const char* ending(LoraRole role) {
    constexpr const char* kEndings[] = {".lora_A.weight", ".lora_B.weight", ".lora_B.bias", ".lora_embedding_A",
                                        ".lora_embedding_B"};
    return kEndings[static_cast<int>(role)];
  }

  static std::string stem_of(const std::string& key, const std::string& name) {
    return key.substr(0, key.find(name) + name.size());
  }

  // PEFT saves an adapted or resized embedding's own weight too. It says nothing new when it is the base's.
  void check_copies(const Naming& naming) {
    for (const auto& [name, key] : copies_) {
      const std::string module = naming.to_base(name, base_);
      const at::Tensor copy = tensors_.tensor(key);
      at::Tensor own = base_.weight ? base_.weight(module) : at::Tensor();
      if (!own.defined()) {
        warn("tensor \"", key,
             "\" is a copy of the base's weight that could not be compared with the base; it was left out");
        continue;
      }
      own = own.to(copy.device());  // the base may lie on a GPU
      CONTLM_CHECK(copy.sizes() == own.sizes(), AdapterError, where_, ": tensor \"", key,
                   "\" must have the base's shape ", shape_text(own.sizes()), ", got ", shape_text(copy.sizes()),
                   " (the vocabulary was resized); train without resizing it, or resize the base likewise");
      const bool equal = at::equal(own.to(copy.scalar_type()), copy) || at::equal(copy.to(own.scalar_type()), own);
      CONTLM_CHECK(
          equal, AdapterError, where_, ": tensor \"", key, "\" must equal the base's own weight of \"", module,
          "\", it differs (the adapter was trained on another base, or trained this weight itself); use its own base, "
          "or give the merged checkpoint as the anchor");
    }
  }

  at::Tensor factor(const std::string& key, std::size_t dimensions) const {
    const at::Tensor tensor = tensors_.tensor(key);
    const at::ScalarType dtype = tensor.scalar_type();
    CONTLM_CHECK(dtype == at::kFloat || dtype == at::kHalf || dtype == at::kBFloat16, AdapterError, where_,
                 ": tensor \"", key, "\" must be float32, float16 or bfloat16, got ", c10::toString(dtype),
                 "; save the adapter in one of them");
    CONTLM_CHECK(static_cast<std::size_t>(tensor.dim()) == dimensions, AdapterError, where_, ": tensor \"", key,
                 "\" must have ", dimensions, " dimensions, got shape ", shape_text(tensor.sizes()),
                 "; save the adapter again from whole layers");
    return tensor;
  }

  LoraModule build(const std::string& module, const Parts& parts, double rank, double lora_alpha) const {
    const BaseModule& shape = base_.modules.at(module);
    const bool embedding = shape.kind == BaseModule::Kind::embedding;
    const std::string& key_A = parts.at(embedding ? LoraRole::embedding_A : LoraRole::lora_A);
    const std::string& key_B = parts.at(embedding ? LoraRole::embedding_B : LoraRole::lora_B);
    LoraModule lora{factor(key_A, 2), factor(key_B, 2), {}, 0.0};
    const auto r = static_cast<std::int64_t>(rank);
    CONTLM_CHECK(lora.A.size(0) == r && lora.B.size(1) == r, AdapterError, where_, ": module \"", module,
                 "\": the rank must be ", r, ", as adapter_config.json says (r, rank_pattern), got \"", key_A,
                 "\" of shape ", shape_text(lora.A.sizes()), " and \"", key_B, "\" of shape ",
                 shape_text(lora.B.sizes()), "; use the config that was saved with the tensors");
    CONTLM_CHECK(lora.A.size(1) == shape.in && lora.B.size(0) == shape.out, AdapterError, where_, ": module \"", module,
                 "\" (", module_kind_name(shape.kind), ", ", shape.in, embedding ? " tokens -> " : " -> ", shape.out,
                 "): \"", key_A, "\" must be [", r, ", ", shape.in, "] and \"", key_B, "\" [", shape.out, ", ", r,
                 "], got ", shape_text(lora.A.sizes()), " and ", shape_text(lora.B.sizes()), "; ",
                 embedding ? "the vocabulary must be the base's, use the base that the adapter was trained on"
                           : "use the base that the adapter was trained on");
    if (const auto bias = parts.find(LoraRole::lora_bias); bias != parts.end()) {
      lora.bias = factor(bias->second, 1);
      CONTLM_CHECK(lora.bias.size(0) == shape.out, AdapterError, where_, ": tensor \"", bias->second, "\" must be [",
                   shape.out, "], got ", shape_text(lora.bias.sizes()),
                   "; use the base that the adapter was trained on");
    }
    CONTLM_CHECK(
        !config_.ensure_weight_tying || !(embedding || module == base_.output_head), AdapterError, config_where(),
        ": \"ensure_weight_tying\" must not be set where an embedding or the output head is adapted, got true with \"",
        module, "\" adapted (PEFT shares the factors between the two); train with ensure_weight_tying=False");
    lora.scaling = lora_alpha / (config_.use_rslora ? std::sqrt(rank) : rank);
    return lora;
  }

  // A folder on this machine and a name on the hub can be one model, so paths are compared by their last part.
  bool names_another_base() const {
    const auto trimmed = [](std::string name) {
      while (name.size() > 1 && name.ends_with('/')) name.pop_back();
      return name;
    };
    const std::string trained_on = trimmed(config_.base_model_name_or_path), given = trimmed(base_.name);
    if (trained_on.empty() || given.empty() || trained_on == given) return false;
    const auto is_path = [](const std::string& name) { return name.starts_with('/') || name.starts_with('.'); };
    const bool same_last_part = fs::path(trained_on).filename() == fs::path(given).filename();
    return !same_last_part || !(is_path(trained_on) || is_path(given));
  }

  const TensorSource& tensors_;
  const BaseModules& base_;
  const NameMatcher& match_;
  const std::string& where_;
  const AdapterUse use_;
  const PeftConfig config_;
  PeftAdapter adapter_;
  std::map<std::string, Parts> modules_;              // by the adapter's name until rename(), then by the base's
  std::map<std::string, std::string> adapter_names_;  // the base's name -> the adapter's
  std::map<std::string, std::string> copies_;         // the adapter's module name -> key
  std::vector<std::string> unexpected_;
  std::string score_key_;
};

[[noreturn]] void refuse_folder(const fs::path& directory) {
  std::vector<std::string> inside;
  std::error_code error;
  for (fs::directory_iterator entry(directory, error), end; !error && entry != end; entry.increment(error)) {
    if (fs::exists(entry->path() / "adapter_config.json", error)) inside.push_back(entry->path().string());
  }
  std::sort(inside.begin(), inside.end());
  const std::string remedy = inside.empty()
                                 ? "give the folder that PEFT's save_pretrained wrote"
                                 : "PEFT saves a named adapter in a folder of its name, give one of " + listing(inside);
  throw FileNotFound(
      message((directory / "adapter_config.json").string(), ": the file must exist, there is none; ", remedy));
}

}  // namespace

const char* module_kind_name(BaseModule::Kind kind) {
  constexpr const char* kNames[] = {"linear", "conv1d", "embedding"};
  return kNames[static_cast<int>(kind)];
}

BaseModule::Kind parse_module_kind(const std::string& name) {
  for (const auto kind : {BaseModule::Kind::linear, BaseModule::Kind::conv1d, BaseModule::Kind::embedding}) {
    if (name == module_kind_name(kind)) return kind;
  }
  throw ValueError(
      message("kind of module: must be linear, conv1d or embedding, got \"", name, "\"; correct the module's entry"));
}

PeftAdapter read_peft_adapter(const std::string& config, const TensorSource& tensors, const BaseModules& base,
                              const NameMatcher& match, const std::string& where, AdapterUse use) {
  return AdapterReader(config, tensors, base, match, where, use).read();
}

PeftAdapter read_peft_adapter(const fs::path& directory, const BaseModules& base, const NameMatcher& match,
                              AdapterUse use) {
  std::error_code error;
  const fs::path config = directory / "adapter_config.json";
  const fs::path tensors = directory / "adapter_model.safetensors";
  const fs::path pickled = directory / "adapter_model.bin";
  if (!fs::exists(config, error)) refuse_folder(directory);
  const std::string text = read_text(config);
  if (!fs::exists(tensors, error)) {
    CONTLM_CHECK(!fs::exists(pickled, error), AdapterError, pickled.string(),
                 ": an adapter's tensors must be in adapter_model.safetensors, got pickled ones; convert them: "
                 "safetensors.torch.save_file(torch.load(\"adapter_model.bin\", weights_only=True), "
                 "\"adapter_model.safetensors\")");
    throw FileNotFound(message(tensors.string(), ": the file must exist, there is none; save the adapter again"));
  }
  return read_peft_adapter(text, *open_safetensors(tensors), base, match, directory.string(), use);
}

}  // namespace contlm::io

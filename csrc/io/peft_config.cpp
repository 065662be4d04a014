#include "io/peft_config.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>
#include <limits>
#include <string_view>

#include "common/error.h"
#include "io/json.h"

namespace contlm::io {
namespace {

using Json = nlohmann::ordered_json;

struct Rejection {
  const char* field;
  const char* reason;
  const char* remedy;
};

constexpr const char* kTrainPlain = "train a plain LoRA adapter";

// Refused whenever they hold anything (not null, false or empty).
constexpr std::array<Rejection, 13> kRejections = {{
    {"use_dora", "DoRA rescales the weight's columns, which is not linear in the interpolation's coefficient",
     "train with use_dora=False, or merge the adapter and give the merged checkpoint as the anchor"},
    {"trainable_token_indices", "it replaces rows of the embedding outside LoRA's factors",
     "target the embedding with LoRA instead, or give the merged checkpoint as the anchor"},
    {"target_parameters", "it adapts bare parameters, not modules", "list the modules in target_modules instead"},
    {"layer_replication", "it changes the base model's stack of layers",
     "train on the base model as it is, or give merged checkpoints of equal shape"},
    {"alora_invocation_tokens", "aLoRA switches the adapter on in the middle of a text", kTrainPlain},
    {"use_qalora", "QALoRA pools the layer's input before A", kTrainPlain},
    {"use_bdlora", "BD-LoRA's factors are block-diagonal", kTrainPlain},
    {"arrow_config", "Arrow routes every token among several adapters", "give the adapters as separate anchors"},
    {"kasa_config", "KaSA truncates the base weight and adds singular values between A and B", kTrainPlain},
    {"monteclora_config", "MonteCLoRA perturbs the factors at random", kTrainPlain},
    {"megatron_config", "Megatron's parallel layers split the factors", "export the adapter from unsharded layers"},
    {"megatron_module", "Megatron's parallel layers split the factors", "export the adapter from unsharded layers"},
    {"parent_library", "the adapter belongs to a custom model class", "train on a model class of transformers"},
}};

// Initialisations that also change the base weight, so that the factors mean nothing beside the original base.
constexpr std::array<const char*, 5> kBaseChanging = {"pissa", "olora", "corda", "loftq", "lora_ga"};
constexpr std::array<const char*, 4> kHarmlessInit = {"gaussian", "eva", "orthogonal", "mica"};

// Read here and there, or without effect on what a trained adapter computes: training's own settings, how it was made,
// and options of initialisations, which init_lora_weights decides.
constexpr std::array<const char*, 31> kKnown = {"peft_type",
                                                "r",
                                                "lora_alpha",
                                                "use_rslora",
                                                "lora_bias",
                                                "ensure_weight_tying",
                                                "rank_pattern",
                                                "alpha_pattern",
                                                "target_modules",
                                                "exclude_modules",
                                                "layers_to_transform",
                                                "layers_pattern",
                                                "base_model_name_or_path",
                                                "bias",
                                                "modules_to_save",
                                                "init_lora_weights",
                                                "lora_dropout",
                                                "inference_mode",
                                                "runtime_config",
                                                "megatron_core",
                                                "revision",
                                                "auto_mapping",
                                                "task_type",
                                                "peft_version",
                                                "fan_in_fan_out",
                                                "qalora_group_size",
                                                "velora_config",
                                                "loftq_config",
                                                "eva_config",
                                                "corda_config",
                                                "lora_ga_config"};

// null, false, "", [] and {}: what a field that a newer PEFT added holds when it is not used.
bool is_empty(const Json& value) {
  return value.is_null() || value == Json(false) || (value.is_string() && value.get<std::string>().empty()) ||
         (value.is_structured() && value.empty());
}

std::string shown(const Json& value) {
  constexpr std::size_t kLongest = 80;
  std::string text = value.dump(-1, ' ', /*ensure_ascii=*/true);  // may be cut anywhere
  return text.size() > kLongest ? text.substr(0, kLongest) + "..." : text;
}

class ConfigParser {
 public:
  ConfigParser(const std::string& text, const std::string& where, AdapterUse use)
      : json_(parse_json<Json>(text)), where_(where), use_(use) {
    CONTLM_CHECK(json_.is_object(), AdapterError, where_, ": must be a JSON object, got ",
                 json_.is_discarded() ? kNotJson : json_.type_name(), "; save the adapter again");
  }

  PeftConfig parse() const {
    reject();
    PeftConfig config;
    config.r = positive_int("r", field("r", Json(config.r)));
    config.lora_alpha = finite("lora_alpha", field("lora_alpha", Json(config.lora_alpha)));
    config.use_rslora = boolean("use_rslora");
    config.lora_bias = boolean("lora_bias");
    config.ensure_weight_tying = boolean("ensure_weight_tying");
    const Json ranks = object("rank_pattern"), alphas = object("alpha_pattern");
    for (const auto& [pattern, value] : ranks.items()) {
      config.rank_pattern.emplace_back(pattern, positive_int("rank_pattern: " + pattern, value));
    }
    for (const auto& [pattern, value] : alphas.items()) {
      config.alpha_pattern.emplace_back(pattern, finite("alpha_pattern: " + pattern, value));
    }
    config.target_modules = selector("target_modules");
    config.exclude_modules = selector("exclude_modules");
    config.layers_to_transform = layers();
    if (const Json pattern = field("layers_pattern", Json());
        pattern.is_string() && !pattern.get<std::string>().empty()) {
      config.layers_pattern = {pattern.get<std::string>()};
    } else {
      config.layers_pattern = strings("layers_pattern", pattern.is_array() ? pattern : Json::array());
    }
    if (const Json name = field("base_model_name_or_path", Json()); name.is_string()) {
      config.base_model_name_or_path = name.get<std::string>();
    }
    return config;
  }

 private:
  // What a missing or null field stands for is its default.
  Json field(const char* name, const Json& fallback) const {
    return json_.contains(name) && !json_.at(name).is_null() ? json_.at(name) : fallback;
  }

  [[noreturn]] void wrong(const std::string& name, const char* wanted, const Json& value) const {
    throw AdapterError(message(where_, ": \"", name, "\" must be ", wanted, ", got ", shown(value),
                               "; correct the file or save the adapter again"));
  }

  void reject() const {
    const Json type = field("peft_type", Json());
    CONTLM_CHECK(type == Json("LORA"), AdapterError, where_, ": \"peft_type\" must be \"LORA\", got ", shown(type),
                 "; train a LoRA adapter");
    for (const Rejection& rejection : kRejections) {
      CONTLM_CHECK(!json_.contains(rejection.field) || is_empty(json_.at(rejection.field)), AdapterError, where_,
                   ": \"", rejection.field, "\" must not be set, got ", shown(json_.at(rejection.field)), " (",
                   rejection.reason, "); ", rejection.remedy);
    }
    if (use_ == AdapterUse::classifier)
      require_score_head();
    else
      reject_saved_modules();
    const Json bias = field("bias", Json("none"));
    CONTLM_CHECK(bias == Json("none"), AdapterError, where_, ": \"bias\" must be \"none\", got ", shown(bias),
                 " (it replaces the base model's own biases); train with bias=\"none\", with lora_bias=True if biases "
                 "must adapt");
    reject_initialisation();
    for (const auto& [name, value] : json_.items()) {
      const bool known =
          std::find_if(kKnown.begin(), kKnown.end(), [&](const char* k) { return name == k; }) != kKnown.end();
      CONTLM_CHECK(known || is_empty(value), AdapterError, where_, ": \"", name,
                   "\" is a field that this reader does not know, so it must be null, false or empty, got ",
                   shown(value), "; remove it if it has no effect at inference, otherwise train without it");
    }
  }

  void reject_saved_modules() const {
    const Json saved = field("modules_to_save", Json());
    const bool judges = field("task_type", Json()) == Json("SEQ_CLS");
    CONTLM_CHECK(is_empty(saved), AdapterError, where_, ": \"modules_to_save\" must not be set, got ", shown(saved),
                 judges
                     ? " with \"task_type\" \"SEQ_CLS\" (a classifier, which judges texts and cannot steer a language "
                       "model); open it with Classifier.from_pretrained(adapter, base=lm)"
                     : " (it replaces whole modules, which this reader does not interpolate); train without "
                       "modules_to_save (target those modules with LoRA instead), or give the merged checkpoint as "
                       "the anchor");
  }

  // PEFT lists the heads of every family, "classifier" and "score"; a decoder has the latter alone.
  void require_score_head() const {
    const Json task = field("task_type", Json());
    CONTLM_CHECK(task == Json("SEQ_CLS"), AdapterError, where_,
                 ": \"task_type\" of a classifier must be \"SEQ_CLS\", got ", shown(task),
                 task == Json("CAUSAL_LM")
                     ? " (an adapter that steers a language model); give it as an anchor, in attributes="
                     : "; train it with task_type=\"SEQ_CLS\"");
    const std::vector<std::string> saved = strings("modules_to_save", field("modules_to_save", Json::array()));
    const bool heads_alone = std::all_of(saved.begin(), saved.end(), [](const std::string& module) {
      return module == "score" || module == "classifier";
    });
    CONTLM_CHECK(heads_alone && std::find(saved.begin(), saved.end(), "score") != saved.end(), AdapterError, where_,
                 ": \"modules_to_save\" of a classifier must be [\"score\"], its head, got ",
                 shown(field("modules_to_save", Json())), "; train LoRA and the head alone");
  }

  void reject_initialisation() const {
    const Json init = field("init_lora_weights", Json(true));
    if (init.is_boolean()) return;
    CONTLM_CHECK(init.is_string(), AdapterError, where_, ": \"init_lora_weights\" must be true, false or a name, got ",
                 shown(init), "; save the adapter again");
    std::string name = init.get<std::string>();
    std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return std::tolower(c); });
    const bool changes_base = std::any_of(kBaseChanging.begin(), kBaseChanging.end(),
                                          [&](const char* family) { return name.starts_with(family); });
    CONTLM_CHECK(!changes_base, AdapterError, where_, ": \"init_lora_weights\" must not change the base model, got ",
                 shown(init),
                 " (its factors only fit the base weights that it left behind); convert the adapter in PEFT with "
                 "save_pretrained(..., path_initial_model_for_weight_conversion=...)");
    const bool harmless =
        std::any_of(kHarmlessInit.begin(), kHarmlessInit.end(), [&](const char* known) { return name == known; });
    CONTLM_CHECK(harmless, AdapterError, where_,
                 ": \"init_lora_weights\" must be true, false or one of gaussian, eva, orthogonal, mica, got ",
                 shown(init),
                 " (an unknown initialisation may have changed the base model); convert the adapter in PEFT with "
                 "save_pretrained(..., path_initial_model_for_weight_conversion=...)");
  }

  std::int64_t positive_int(const std::string& name, const Json& value) const {
    constexpr std::int64_t kMost = std::numeric_limits<std::int32_t>::max();
    const bool fits = value.is_number_integer() && value <= Json(kMost) && value >= Json(1);
    if (!fits) wrong(name, "an integer of at least 1", value);
    return value.get<std::int64_t>();
  }
  double finite(const std::string& name, const Json& value) const {
    if (!value.is_number() || !std::isfinite(value.get<double>())) wrong(name, "a number", value);
    return value.get<double>();
  }
  bool boolean(const char* name) const {
    const Json value = field(name, Json(false));
    if (!value.is_boolean()) wrong(name, "true or false", value);
    return value.get<bool>();
  }
  Json object(const char* name) const {
    Json value = field(name, Json::object());
    if (!value.is_object()) wrong(name, "an object from module patterns to numbers", value);
    return value;
  }
  std::vector<std::string> strings(const char* name, const Json& value) const {
    std::vector<std::string> items;
    for (const Json& item : value) {
      if (!item.is_string()) wrong(name, "a string or an array of strings", value);
      items.push_back(item.get<std::string>());
    }
    return items;
  }
  ModuleSelector selector(const char* name) const {
    const Json value = field(name, Json());
    if (value.is_null()) return {};
    if (value.is_string()) return value.get<std::string>();
    if (!value.is_array()) wrong(name, "a string or an array of strings", value);
    return strings(name, value);
  }
  std::vector<std::int64_t> layers() const {
    const Json value = field("layers_to_transform", Json::array());
    std::vector<std::int64_t> indices;
    for (const Json& item : value.is_array() ? value : Json::array({value})) {
      if (!item.is_number_integer()) wrong("layers_to_transform", "an integer or an array of integers", value);
      indices.push_back(item.get<std::int64_t>());
    }
    return indices;
  }

  Json json_;
  const std::string& where_;
  const AdapterUse use_;
};

}  // namespace

PeftConfig parse_peft_config(const std::string& text, const std::string& where, AdapterUse use) {
  return ConfigParser(text, where, use).parse();
}

}  // namespace contlm::io

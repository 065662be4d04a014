#include "models/families/registry.h"

#include <algorithm>
#include <array>
#include <utility>

namespace contlm::models {

namespace {

struct Family {
  const char* model_type;
  const char* architecture;
  DecoderSpec (*read)(const io::HfConfig&);
};

constexpr std::array kFamilies{
    Family{"llama", "LlamaForCausalLM", llama_spec}, Family{"mistral", "MistralForCausalLM", mistral_spec},
    Family{"qwen2", "Qwen2ForCausalLM", qwen2_spec}, Family{"qwen3", "Qwen3ForCausalLM", qwen3_spec},
    Family{"gpt2", "GPT2LMHeadModel", gpt2_spec},
};

std::string known_architectures() {
  std::string names;
  for (const Family& family : kFamilies) names += (names.empty() ? "" : ", ") + std::string(family.architecture);
  return names;
}

}  // namespace

DecoderSpec read_decoder_spec(const io::HfConfig& config) {
  const std::string type = config.model_type();
  const auto found =
      std::find_if(kFamilies.begin(), kFamilies.end(), [&](const Family& f) { return type == f.model_type; });
  const std::vector<std::string> architectures = config.architectures();
  const std::string named = architectures.empty() ? type : architectures.front();
  CONTLM_CHECK(found != kFamilies.end(), CheckpointError, config.where(), ": the architecture must be one of ",
               known_architectures(), ", got \"", named, "\" (model_type \"", type,
               "\"); use a model of a known family");
  // A checkpoint of the bare base model ("LlamaModel") is read too: the head is then the tied one, or reported missing.
  const bool fits = architectures.empty() || named == found->architecture || named.find("Model") != std::string::npos;
  CONTLM_CHECK(fits, CheckpointError, config.where(), ": a model_type \"", type, "\" must have the architecture ",
               found->architecture, ", got \"", named, "\"; only causal language models generate");
  DecoderSpec spec = found->read(config);
  spec.family = type;
  return spec;
}

}  // namespace contlm::models

// PEFT LoRA adapters: what is honoured, warned of and rejected is the table in docs/peft-format.md. The reader loads
// from the tensors and cross-checks them against the config; it copies no tensor.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "io/peft_config.h"
#include "io/safetensors.h"

namespace contlm::io {

// What the base model offers to adapt: its modules by their HuggingFace names ("model.layers.0.self_attn.q_proj").
struct BaseModule {
  enum class Kind { linear, conv1d, embedding };  // conv1d: GPT-2's layer, whose weight is stored [in, out]
  Kind kind;
  std::int64_t in;   // features that enter; the vocabulary's size for an embedding
  std::int64_t out;  // features that leave
};
struct BaseModules {
  std::map<std::string, BaseModule> modules;
  std::string output_head;  // left out by target_modules = "all-linear"
  std::string type = {};    // the base's model_type, for messages
  std::string name;         // the base's own name, compared with the adapter's base_model_name_or_path (a warning)
  // The base's weight of an embedding or of the output head, for the copies of it that PEFT saves, or undefined.
  // Without it, copies cannot be compared, which is a warning.
  std::function<at::Tensor(const std::string& module)> weight;
};
// Matches names as PEFT matches them, with Python's own `re`, which the core does not have: for each pattern of the
// config's `field`, the indices of the `names` that it selects. AdapterError, opening with `where`, for what is no
// pattern and for what could take too long.
using NameMatcher = std::function<std::vector<std::vector<std::size_t>>(
    const std::string& field, const std::vector<std::string>& patterns, const std::vector<std::string>& names,
    const std::string& where)>;

// "linear" | "conv1d" | "embedding"; ValueError otherwise.
const char* module_kind_name(BaseModule::Kind kind);
BaseModule::Kind parse_module_kind(const std::string& name);

// delta(module) = scaling * B A, and scaling * bias on the output; for an embedding delta = scaling * (B A)^T, [vocab,
// dim].
struct LoraModule {
  at::Tensor A;     // [r, in], as stored (fp32, fp16 or bf16), not copied
  at::Tensor B;     // [out, r]
  at::Tensor bias;  // [out], or undefined
  double scaling;
  std::int64_t r() const { return A.size(0); }
};
struct PeftAdapter {
  std::string where;
  std::map<std::string, LoraModule> modules;  // by the base's module name
  at::Tensor score;  // [labels, hidden]: a classifier's head, as stored; undefined of an anchor
  std::vector<std::string> warnings;
};

// `config` is the text of adapter_config.json; `where` stands in messages. AdapterError on every rejection.
PeftAdapter read_peft_adapter(const std::string& config, const TensorSource& tensors, const BaseModules& base,
                              const NameMatcher& match, const std::string& where, AdapterUse use = AdapterUse::anchor);

// adapter_config.json + adapter_model.safetensors in `directory`. FileNotFound names what is missing; an adapter that
// has only adapter_model.bin is an AdapterError with the way to convert it.
PeftAdapter read_peft_adapter(const std::filesystem::path& directory, const BaseModules& base, const NameMatcher& match,
                              AdapterUse use = AdapterUse::anchor);

// One PEFT adapter, readable by PEFT and by read_peft_adapter: per-module rank and lora_alpha patterns where modules
// differ. Scaling is written as 1 and the factors carry it. The folder is made when there is none; a failure leaves
// what was there. Where some modules have a bias and others do not, the others are given zeros, because PEFT's
// lora_bias holds for all; PEFT has no bias on embeddings, so biases beside an adapted embedding are a ValueError.
struct LoraFactors {
  at::Tensor A;     // [r, in]
  at::Tensor B;     // [out, r]
  at::Tensor bias;  // [out] or undefined
};
void write_peft_adapter(const std::filesystem::path& directory, const std::map<std::string, LoraFactors>& modules,
                        const BaseModules& base);

}  // namespace contlm::io

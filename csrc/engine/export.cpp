// Writing a point out: as a HuggingFace checkpoint, or as one PEFT adapter.
#include <algorithm>
#include <map>

#include <ATen/Functions.h>
#include <nlohmann/json.hpp>

#include "common/error.h"
#include "engine/call_scope.h"
#include "engine/engine.h"
#include "io/safetensors.h"
#include "lora/low_rank.h"
#include "lora/merge.h"

namespace contlm::engine {

namespace {

constexpr std::int64_t kShardBytes = std::int64_t{5} << 30;

// A tensor of the exported checkpoint and how to make it.
struct Exported {
  io::TensorSpec spec;
  std::function<at::Tensor()> make;
  std::int64_t bytes() const {
    return c10::multiply_integers(spec.info.shape) * static_cast<std::int64_t>(c10::elementSize(spec.info.dtype));
  }
};

void write_shard(const std::filesystem::path& file, const std::vector<Exported>& all, std::size_t first,
                 std::size_t last) {
  std::vector<io::TensorSpec> specs;
  for (std::size_t i = first; i < last; ++i) specs.push_back(all[i].spec);
  io::write_safetensors(file, specs, [&](std::size_t i) { return all[first + i].make(); });
}

// One file, or HuggingFace's shards and their index.
void write_checkpoint(const std::filesystem::path& directory, const std::vector<Exported>& all) {
  std::vector<std::size_t> starts{0};
  std::int64_t total = 0, shard = 0;
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (shard > 0 && shard + all[i].bytes() > kShardBytes) {
      starts.push_back(i);
      shard = 0;
    }
    shard += all[i].bytes();
    total += all[i].bytes();
  }
  if (starts.size() == 1) {
    write_shard(directory / "model.safetensors", all, 0, all.size());
    return;
  }
  nlohmann::json index;
  index["metadata"]["total_size"] = total;
  for (std::size_t s = 0; s < starts.size(); ++s) {
    const std::size_t last = s + 1 < starts.size() ? starts[s + 1] : all.size();
    char name[64];
    std::snprintf(name, sizeof name, "model-%05zu-of-%05zu.safetensors", s + 1, starts.size());
    for (std::size_t i = starts[s]; i < last; ++i) index["weight_map"][all[i].spec.name] = name;
    write_shard(directory / name, all, starts[s], last);
  }
  io::write_text(directory / "model.safetensors.index.json", index.dump(2));
}

}  // namespace

bool Engine::save_merged(const std::filesystem::path& directory, const lora::Coefficients& c,
                         std::optional<at::ScalarType> dtype) const {
  const CallScope scope(threads_);
  bank_.check(c);
  const models::Weights& weights = model_->weights();
  const models::DecoderSpec& spec = model_->spec();
  std::map<std::string, std::function<at::Tensor()>> merged;  // by the checkpoint's own key
  const auto touched = [&](const std::string& module) { return lora::touches(bank_.factors(module), c); };
  for (const models::TokenEmbedding* embedding : model_->embeddings())
    if (const std::string& module = embedding->name(); touched(module))
      merged[weights.spelled(module + ".weight")] = [this, &c, module] { return merged_weight(module, c); };
  for (const models::LinearSpec* linear : model_->linears()) {
    if (!touched(linear->name) || linear->name == spec.names.head) continue;
    merged[weights.spelled(linear->name + ".weight")] = [this, &c, linear] {
      const at::Tensor weight = merged_weight(linear->name, c);
      return linear->conv1d ? weight.t().contiguous() : weight;
    };
    const at::Tensor bias = models::read_bias(weights, *linear);
    const at::Tensor merged_bias = lora::merge_bias(bias, bank_.factors(linear->name), c);
    CONTLM_CHECK(
        bias.defined() || !merged_bias.defined(), ValueError, "save_merged: ", linear->name,
        " has no bias in the base model, so a merged checkpoint cannot hold the adapters' lora_bias; use save_adapter");
    if (bias.defined()) merged[weights.spelled(linear->name + ".bias")] = [merged_bias] { return merged_bias; };
  }

  const std::string head = spec.names.head + ".weight", input = weights.spelled(spec.names.embedding + ".weight");
  const bool untie = spec.tied_head && (touched(spec.names.head) || touched(spec.names.embedding));
  if (untie || touched(spec.names.head)) merged[head] = [this, &c, &spec] { return merged_weight(spec.names.head, c); };

  std::vector<Exported> exported;
  const auto add = [&](const std::string& name, const io::TensorInfo& info) {
    const auto made = merged.find(name);
    const bool is_float = at::isFloatingType(info.dtype);
    const at::ScalarType as = dtype && is_float ? *dtype : info.dtype;
    std::function<at::Tensor()> make = [&weights, name, as] { return weights.source().tensor(name).to(as); };
    if (made != merged.end()) make = [produce = made->second, as] { return produce().cpu().to(as); };
    exported.push_back({{name, {as, info.shape}}, std::move(make)});
  };
  for (const std::string& name : weights.source().names()) {
    // A tied checkpoint may hold a copy of the embedding under the head's name; it stays only where it differs now.
    if (name == head && spec.tied_head && !untie) continue;
    add(name, weights.source().info(name));
  }
  if (untie && !weights.source().contains(head)) add(head, weights.source().info(input));
  std::filesystem::create_directories(directory);
  write_checkpoint(directory, exported);
  return untie;
}

void Engine::save_adapter(const std::filesystem::path& directory, const lora::Coefficients& c,
                          std::int64_t rank) const {
  const CallScope scope(threads_);
  CONTLM_CHECK(bank_.size() > 0, ValueError, "save_adapter: the model must have anchors, it has none");
  io::write_peft_adapter(directory, lora::combine(bank_, c, rank), base_modules());
}

}  // namespace contlm::engine

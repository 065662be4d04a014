// The engine: one base model, its anchors, and everything that runs on them. Where a call stands in weight space is an
// argument of the call, so that threads may work at different points on one engine once its adapters are added.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "common/monitor.h"
#include "engine/options.h"
#include "engine/row_stream.h"
#include "engine/weight_cache.h"
#include "io/hf_config.h"
#include "lora/anchor_bank.h"
#include "models/decoder.h"

namespace contlm::engine {

struct EngineSettings {
  std::string dtype = "auto";  // the checkpoint's own: bfloat16 stays, float16 and float32 compute in float32
  at::Device device = at::kCPU;
  std::int64_t threads = 0;   // 0: torch's own number
  std::int64_t max_rows = 0;  // rows that decode together; 0: 128, or fewer where their cache would be large
};

struct RowGroup;  // planner.h

// A group's weights, kept alive while its rows run.
struct BoundWeights {
  std::shared_ptr<const lora::MergedWeights> merged;
  std::shared_ptr<const lora::PackedBank> packed;
  lora::AppliedAnchors anchors;  // without coefficients, which every step brings
};

struct Generated {
  std::vector<Row> rows;  // in the caller's order
  Mode mode = Mode::bank;
  Stats stats;
};

class Engine {
 public:
  Engine(const io::HfConfig& config, std::shared_ptr<const io::TensorSource> weights, const EngineSettings& settings);
  // An engine on the base of this one, without anchors. The base is shared, and nothing else.
  Engine on_same_base() const { return Engine(threads_, max_rows_, model_); }

  // The base's modules, as the adapter reader wants them.
  io::BaseModules base_modules() const;
  void add_adapter(const std::string& name, const io::PeftAdapter& adapter);
  // An anchor of another engine on the same base, with its factors shared.
  void add_adapter(const std::string& name, const Engine& other, std::int64_t anchor);

  const models::Decoder& model() const { return *model_; }
  const lora::AnchorBank& bank() const { return bank_; }
  // Rows that decode together at most.
  std::int64_t max_rows() const;
  std::int64_t threads() const { return threads_; }
  void set_token_bytes(TokenBytes bytes);

  // What runs rows on this engine (generate, teacher_forcing.h) asks of it: ValueError unless the prompt and what is to
  // follow it are the model's tokens and fit its context; and a planned group's weights.
  void check_prompt(const std::vector<std::int64_t>& prompt, std::size_t index, std::int64_t new_tokens) const;
  BoundWeights bind(const RowGroup& group, Monitor& monitor) const;

  // A schedule per prompt (one entry: a fixed point). Rows come prompt-major, then return sequence.
  Generated generate(const std::vector<std::vector<std::int64_t>>& prompts, const std::vector<Schedule>& schedules,
                     const GenerateOptions& options, Monitor& monitor) const;

  // Writes model.safetensors (shards with an index past 5 GB). dtype: the weights', or nothing for each tensor's own.
  // True when tied embeddings had to be written apart.
  bool save_merged(const std::filesystem::path& directory, const lora::Coefficients& c,
                   std::optional<at::ScalarType> dtype) const;
  void save_adapter(const std::filesystem::path& directory, const lora::Coefficients& c, std::int64_t rank) const;
  // W0 + sum_k c_k D_k of one module, fp32 [out, in]; an embedding's [vocab, dim].
  at::Tensor merged_weight(const std::string& module, const lora::Coefficients& c) const;

 private:
  Engine(std::int64_t threads, std::int64_t max_rows, std::shared_ptr<const models::Decoder> model)
      : threads_(threads), max_rows_(max_rows), model_(std::move(model)) {}
  void bank_changed();
  std::int64_t rows_in_flight(const std::vector<Row>& rows, std::int64_t max_new_tokens) const;
  std::vector<Row> make_rows(const std::vector<std::vector<std::int64_t>>& prompts,
                             const std::vector<Schedule>& schedules, const GenerateOptions& options) const;

  std::int64_t threads_, max_rows_;
  std::shared_ptr<const models::Decoder> model_;
  lora::AnchorBank bank_;
  lora::EmbeddingBanks embeddings_;
  std::shared_ptr<const TokenBytes> token_bytes_;
  mutable MergedCache merged_cache_;
  mutable PackedBankCache packed_cache_;
};

}  // namespace contlm::engine

#include "engine/engine.h"

#include <algorithm>
#include <map>

#include <ATen/Functions.h>
#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>

#include "common/error.h"
#include "common/stopwatch.h"
#include "engine/call_scope.h"
#include "engine/planner.h"
#include "io/dtype_names.h"
#include "lora/merge.h"
#include "models/families/registry.h"
#include "ops/host_values.h"

namespace contlm::engine {

namespace {

// A step reads every weight once whatever the rows: up to here more of them still pay for that.
constexpr std::int64_t kDefaultMaxRows = 128;
// Unless the caller says how many rows, fewer decode together where their keys and values would take more than this.
constexpr std::int64_t kCacheBytes = std::int64_t{2} << 30;
constexpr std::int64_t kFewestRows = 16;

at::ScalarType choose_dtype(const std::string& name, const io::TensorSource& weights) {
  if (const auto asked = io::parse_dtype(name, "auto", {at::kFloat, at::kBFloat16})) return *asked;
  const std::vector<std::string> names = weights.names();
  const bool bf16 = std::any_of(names.begin(), names.end(),
                                [&](const std::string& n) { return weights.info(n).dtype == at::kBFloat16; });
  return bf16 ? at::kBFloat16 : at::kFloat;
}

std::uint64_t mix(std::uint64_t hash, std::uint64_t value) {
  // splitmix64's finalizer over a running state
  hash += value + 0x9E3779B97F4A7C15u;
  hash = (hash ^ (hash >> 30)) * 0xBF58476D1CE4E5B9u;
  hash = (hash ^ (hash >> 27)) * 0x94D049BB133111EBu;
  return hash ^ (hash >> 31);
}

std::uint64_t row_key(const std::vector<std::int64_t>& prompt, std::int64_t occurrence, std::int64_t sequence) {
  std::uint64_t hash = mix(0, prompt.size());
  for (const std::int64_t id : prompt) hash = mix(hash, static_cast<std::uint64_t>(id));
  return mix(mix(hash, static_cast<std::uint64_t>(occurrence)), static_cast<std::uint64_t>(sequence));
}

Mode overall_mode(const std::vector<RowGroup>& groups) {
  Mode mode = groups.front().mode;
  for (const RowGroup& group : groups)
    if (group.mode != mode) mode = Mode::hybrid;
  return mode;
}

}  // namespace

Engine::Engine(const io::HfConfig& config, std::shared_ptr<const io::TensorSource> weights,
               const EngineSettings& settings)
    : threads_(settings.threads), max_rows_(settings.max_rows), model_([&] {
        const CallScope scope(settings.threads);
        const at::ScalarType dtype = choose_dtype(settings.dtype, *weights);
        return std::make_shared<const models::Decoder>(models::read_decoder_spec(config), std::move(weights), dtype,
                                                       settings.device);
      }()) {}

std::int64_t Engine::max_rows() const { return max_rows_ > 0 ? max_rows_ : kDefaultMaxRows; }

std::int64_t Engine::rows_in_flight(const std::vector<Row>& rows, std::int64_t max_new_tokens) const {
  if (max_rows_ > 0) return max_rows_;
  std::int64_t longest = 0;
  for (const Row& row : rows) longest = std::max(longest, row.prompt_length() + max_new_tokens);
  const std::int64_t fitting = kCacheBytes / std::max<std::int64_t>(1, longest * model_->cache_bytes_per_token());
  return std::clamp(fitting, kFewestRows, kDefaultMaxRows);
}

io::BaseModules Engine::base_modules() const {
  io::BaseModules base;
  using Kind = io::BaseModule::Kind;
  for (const models::LinearSpec* spec : model_->linears())
    base.modules[spec->name] = {spec->conv1d ? Kind::conv1d : Kind::linear, spec->in, spec->out};
  for (const models::TokenEmbedding* embedding : model_->embeddings())
    base.modules[embedding->name()] = {Kind::embedding, embedding->table().size(0), embedding->table().size(1)};
  base.output_head = model_->spec().names.head;
  base.type = model_->spec().family;
  base.weight = [this](const std::string& module) {
    for (const models::TokenEmbedding* embedding : model_->embeddings())
      if (embedding->name() == module) return embedding->table();
    for (const models::LinearSpec* spec : model_->linears())
      if (spec->name == module) return models::read_weight(model_->weights(), *spec);
    return at::Tensor();
  };
  return base;
}

void Engine::add_adapter(const std::string& name, const io::PeftAdapter& adapter) {
  bank_.add(name, adapter);
  bank_changed();
}

void Engine::add_adapter(const std::string& name, const Engine& other, std::int64_t anchor) {
  bank_.add(name, other.bank_, anchor);
  bank_changed();
}

void Engine::bank_changed() {
  for (const models::TokenEmbedding* embedding : model_->embeddings()) {
    const std::vector<lora::AnchorFactors>& factors = bank_.factors(embedding->name());
    if (!factors.empty() && factors.back().anchor == bank_.size() - 1)
      embeddings_[embedding->name()] = lora::BankEmbedding(bank_, embedding->name(), model_->device());
  }
  merged_cache_.clear();
  packed_cache_.clear();
}

void Engine::set_token_bytes(TokenBytes bytes) {
  // A tokenizer may know fewer tokens than the (padded) vocabulary holds; those add nothing to a text.
  bytes.resize(std::max<std::size_t>(bytes.size(), static_cast<std::size_t>(model_->spec().vocab_size)));
  token_bytes_ = std::make_shared<const TokenBytes>(std::move(bytes));
}

BoundWeights Engine::bind(const RowGroup& group, Monitor& monitor) const {
  BoundWeights bound;
  if (!lora::active_anchors(group.merged).empty())
    bound.merged = merged_cache_.get(*model_, bank_, group.merged, monitor);
  if (!group.banked.empty()) bound.packed = packed_cache_.get(*model_, bank_, group.packed);
  bound.anchors.merged = bound.merged.get();
  bound.anchors.bank = bound.packed.get();
  bound.anchors.embeddings = embeddings_.empty() ? nullptr : &embeddings_;
  return bound;
}

void Engine::check_prompt(const std::vector<std::int64_t>& prompt, std::size_t index, std::int64_t new_tokens) const {
  const models::DecoderSpec& spec = model_->spec();
  CONTLM_CHECK(!prompt.empty(), ValueError, "prompt ", index,
               ": must have at least one token, got none; start it with the beginning-of-sequence token");
  const std::int64_t length = static_cast<std::int64_t>(prompt.size());
  CONTLM_CHECK(length + new_tokens <= spec.context_length, ValueError, "prompt ", index,
               ": prompt and new tokens must fit the context of ", spec.context_length, " tokens, got ", length, " + ",
               new_tokens, "; shorten the prompt or lower max_new_tokens");
  for (const std::int64_t id : prompt)
    CONTLM_CHECK(id >= 0 && id < spec.vocab_size, ValueError, "prompt ", index, ": token ids must lie in [0, ",
                 spec.vocab_size, "), got ", id, "; the tokenizer must be the model's own");
}

std::vector<Row> Engine::make_rows(const std::vector<std::vector<std::int64_t>>& prompts,
                                   const std::vector<Schedule>& schedules, const GenerateOptions& options) const {
  CONTLM_CHECK(schedules.size() == prompts.size(), ValueError, "coefficients: there must be a row for each of the ",
               prompts.size(), " prompts, got ", schedules.size());
  std::vector<Row> rows;
  // Prompts that occur again at the same point: another occurrence draws other numbers, but shares the prefill.
  std::map<std::pair<std::vector<std::int64_t>, Schedule>, std::pair<std::int64_t, std::int64_t>> seen;
  for (std::size_t p = 0; p < prompts.size(); ++p) {
    check_prompt(prompts[p], p, options.max_new_tokens);
    CONTLM_CHECK(!schedules[p].empty(), ValueError, "schedule: must have at least one step");
    for (const lora::Coefficients& c : schedules[p]) bank_.check(c);
    auto& [group, occurrences] =
        seen.try_emplace({prompts[p], schedules[p]}, static_cast<std::int64_t>(seen.size()), 0).first->second;
    const auto prompt = std::make_shared<const std::vector<std::int64_t>>(prompts[p]);
    const auto schedule = std::make_shared<const Schedule>(schedules[p]);
    for (std::int64_t s = 0; s < options.num_return_sequences; ++s) {
      Row row;
      row.index = static_cast<std::int64_t>(rows.size());
      row.prompt = prompt;
      row.schedule = schedule;
      row.prefill_group = group;
      row.key = row_key(prompts[p], occurrences, s);
      rows.push_back(std::move(row));
    }
    ++occurrences;
  }
  return rows;
}

Generated Engine::generate(const std::vector<std::vector<std::int64_t>>& prompts,
                           const std::vector<Schedule>& schedules, const GenerateOptions& options,
                           Monitor& monitor) const {
  const CallScope scope(threads_);
  options.check();
  Generated generated;
  generated.rows = make_rows(prompts, schedules, options);
  std::vector<Row>& rows = generated.rows;
  generated.stats.rows = static_cast<std::int64_t>(rows.size());
  if (rows.empty()) return generated;
  // Token bytes may be set while calls that have no use for them run.
  const StopStrings stops(options.stop_strings, options.stop_strings.empty() ? nullptr : token_bytes_);
  const std::int64_t in_flight = rows_in_flight(rows, options.max_new_tokens);
  const std::vector<RowGroup> groups =
      Planner(*model_, bank_, in_flight).plan(rows, options.max_new_tokens, options.mode);
  generated.mode = overall_mode(groups);
  Progress progress{.total = generated.stats.rows * options.max_new_tokens};
  for (const RowGroup& group : groups) {
    const Stopwatch binding;
    const BoundWeights bound = bind(group, monitor);
    generated.stats.merge_seconds += binding.seconds();
    std::vector<Row*> members;
    for (const std::size_t i : group.rows) members.push_back(&rows[i]);
    RowStream({.model = *model_,
               .anchors = bound.anchors,
               .rows = std::move(members),
               .max_rows = in_flight,
               .options = options,
               .stops = stops,
               .monitor = monitor,
               .progress = progress,
               .stats = generated.stats})
        .run();
  }
  return generated;
}

at::Tensor Engine::merged_weight(const std::string& module, const lora::Coefficients& c) const {
  const CallScope scope(threads_);
  bank_.check(c);
  for (const models::TokenEmbedding* embedding : model_->embeddings())
    if (embedding->name() == module) return lora::merge_embedding(embedding->table(), bank_.factors(module), c);
  for (const models::LinearSpec* spec : model_->linears())
    if (spec->name == module) {
      const at::Tensor base = models::read_weight(model_->weights(), *spec).to(model_->device());
      return lora::merge_weight(base, bank_.factors(module), c).clone();
    }
  throw ValueError(message("module: must be a linear or embedding module of the base model, got \"", module,
                           "\"; Engine.modules() lists them"));
}

}  // namespace contlm::engine

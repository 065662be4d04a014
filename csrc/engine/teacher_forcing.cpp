#include "engine/teacher_forcing.h"

#include <algorithm>

#include <ATen/Functions.h>

#include "common/error.h"
#include "engine/call_scope.h"
#include "engine/planner.h"
#include "engine/token_batch.h"
#include "ops/host_values.h"

namespace contlm::engine {

namespace {

// Tokens of one forward: enough for the products, few enough for the activations to stay in a cache.
constexpr std::int64_t kTokensPerForward = 1024;
// Its cache has room for the longest sequence in every slot: at most so many places.
constexpr std::int64_t kPlacesPerCache = 4 * kTokensPerForward;

// A sequence, and the outputs that are wanted of it: those of its tokens from `first` on.
struct ForcedSequence {
  Row row;  // its tokens are the prompt
  std::int64_t first;
  std::vector<std::int64_t> targets;  // the token that each output predicts; none where logits are wanted
  std::vector<std::int64_t> places;   // where each output stands in the result
};

// Several sequences, one after the other, as one forward runs them.
struct ForcedBatch {
  TokenBatchBuilder tokens;
  std::vector<std::int64_t> targets, places;
  std::int64_t sequences = 0, longest = 0;

  bool fits(const ForcedSequence& sequence) const {
    const std::int64_t length = sequence.row.prompt_length();
    return sequences == 0 || (tokens.size() + length <= kTokensPerForward &&
                              (sequences + 1) * std::max(longest, length) <= kPlacesPerCache);
  }
  void add(const ForcedSequence& sequence) {
    const std::int64_t offset = tokens.size();
    tokens.add(*sequence.row.prompt, /*slot=*/sequences, /*position=*/0, sequence.row.coefficients());
    tokens.select(offset + sequence.first, tokens.size());
    targets.insert(targets.end(), sequence.targets.begin(), sequence.targets.end());
    places.insert(places.end(), sequence.places.begin(), sequence.places.end());
    longest = std::max(longest, sequence.row.prompt_length());
    ++sequences;
  }
};

Row make_row(const Engine& engine, std::vector<std::int64_t> tokens, const lora::Coefficients& point,
             std::size_t index) {
  engine.bank().check(point);
  Row row;
  row.index = static_cast<std::int64_t>(index);
  row.prompt = std::make_shared<const std::vector<std::int64_t>>(std::move(tokens));
  row.schedule = std::make_shared<const Schedule>(Schedule{point});
  row.prefill_group = row.index;
  return row;
}

// Calls run(batch, cache, anchors) for batches that cover the sequences.
template <typename Run>
void for_each_batch(const Engine& engine, const std::vector<ForcedSequence>& sequences, Mode mode, Monitor& monitor,
                    const Run& run) {
  const models::Decoder& model = engine.model();
  std::vector<Row> rows;
  std::int64_t done = 0, total = 0;
  for (const ForcedSequence& sequence : sequences) {
    rows.push_back(sequence.row);
    total += sequence.row.prompt_length();
  }
  for (const RowGroup& group : Planner(model, engine.bank(), engine.max_rows()).plan(rows, 0, mode)) {
    const BoundWeights bound = engine.bind(group, monitor);
    for (std::size_t next = 0; next < group.rows.size();) {
      ForcedBatch batch{.tokens = TokenBatchBuilder(engine.bank().size()), .targets = {}, .places = {}};
      while (next < group.rows.size() && batch.fits(sequences[group.rows[next]]))
        batch.add(sequences[group.rows[next++]]);
      models::KVCache cache = model.make_cache(batch.sequences, batch.longest);
      lora::AppliedAnchors anchors = bound.anchors;
      if (anchors.bank || anchors.embeddings) anchors.coeffs = batch.tokens.coefficients(model.device());
      run(batch, cache, anchors);
      done += batch.tokens.size();
      monitor.progress(done, total);
    }
  }
}

}  // namespace

at::Tensor forced_logits(const Engine& engine, const at::Tensor& input_ids, const at::Tensor& mask,
                         const std::vector<lora::Coefficients>& points, Mode mode, Monitor& monitor) {
  const CallScope scope(engine.threads());
  CONTLM_CHECK(input_ids.dim() == 2 && at::isIntegralType(input_ids.scalar_type(), /*includeBool=*/false), ValueError,
               "input_ids: must be integers of shape [batch, tokens], got ", input_ids.scalar_type(), " ",
               input_ids.sizes());
  CONTLM_CHECK(!mask.defined() || mask.sizes() == input_ids.sizes(), ValueError,
               "attention_mask: must have the shape of input_ids, ", input_ids.sizes(), ", got ", mask.sizes());
  const std::int64_t B = input_ids.size(0), T = input_ids.size(1);
  CONTLM_CHECK(static_cast<std::int64_t>(points.size()) == B, ValueError,
               "coefficients: there must be a row for each of the ", B, " sequences, got ", points.size());
  const at::Tensor ids = input_ids.to(at::kCPU, at::kLong).contiguous();
  const at::Tensor kept = mask.defined() ? mask.to(at::kCPU).ne(0).contiguous() : at::ones({B, T}, at::kBool);
  const std::int64_t* id = ids.const_data_ptr<std::int64_t>();
  const bool* keep = kept.const_data_ptr<bool>();

  std::vector<ForcedSequence> sequences;
  for (std::int64_t b = 0; b < B; ++b) {
    std::vector<std::int64_t> tokens, places;
    for (std::int64_t i = b * T; i < (b + 1) * T; ++i)
      if (keep[i]) {
        tokens.push_back(id[i]);
        places.push_back(i);
      }
    if (tokens.empty()) continue;
    engine.check_prompt(tokens, b, 0);
    sequences.push_back({.row = make_row(engine, std::move(tokens), points[b], sequences.size()),
                         .first = 0,
                         .targets = {},
                         .places = std::move(places)});
  }
  const models::Decoder& model = engine.model();
  const at::Device device = model.device();
  const std::int64_t V = model.spec().vocab_size;
  at::Tensor all = at::zeros({B * T, V}, at::TensorOptions().dtype(at::kFloat).device(device));
  for_each_batch(engine, sequences, mode, monitor,
                 [&](const ForcedBatch& batch, models::KVCache& cache, const lora::AppliedAnchors& anchors) {
                   const at::Tensor logits = model.forward(batch.tokens.batch(device), cache, anchors, monitor);
                   all.index_copy_(0, ops::to_device(batch.places, device), logits);
                 });
  return all.view({B, T, V}).to(input_ids.device());
}

at::Tensor forced_nll(const Engine& engine, const std::vector<std::vector<std::int64_t>>& sequences,
                      const std::vector<std::int64_t>& first_target, const std::vector<lora::Coefficients>& points,
                      Mode mode, Monitor& monitor) {
  const CallScope scope(engine.threads());
  CONTLM_CHECK(first_target.size() == sequences.size() && points.size() == sequences.size(), ValueError,
               "sequences: there must be a first target and a coefficient row for each of the ", sequences.size(),
               ", got ", first_target.size(), " and ", points.size());
  std::vector<ForcedSequence> forced;
  std::int64_t count = 0;
  for (std::size_t i = 0; i < sequences.size(); ++i) {
    const std::vector<std::int64_t>& sequence = sequences[i];
    const std::int64_t first = first_target[i];
    CONTLM_CHECK(first >= 1, ValueError, "sequence ", i, ": its first target must be token 1 or a later one, got ",
                 first, "; the first token has none before it to be predicted from");
    if (first >= static_cast<std::int64_t>(sequence.size())) continue;
    std::vector<std::int64_t> read(sequence.begin(), sequence.end() - 1);
    engine.check_prompt(read, i, 0);
    engine.check_prompt({sequence.back()}, i, 0);
    std::vector<std::int64_t> targets(sequence.begin() + first, sequence.end()), places(targets.size());
    for (std::int64_t& place : places) place = count++;
    forced.push_back({.row = make_row(engine, std::move(read), points[i], forced.size()),
                      .first = first - 1,
                      .targets = std::move(targets),
                      .places = std::move(places)});
  }
  const models::Decoder& model = engine.model();
  at::Tensor all = at::empty({count}, at::kFloat);
  for_each_batch(engine, forced, mode, monitor,
                 [&](const ForcedBatch& batch, models::KVCache& cache, const lora::AppliedAnchors& anchors) {
                   const at::Tensor nll =
                       model.target_nll(batch.tokens.batch(model.device()),
                                        ops::to_device(batch.targets, model.device()), cache, anchors, monitor);
                   all.index_copy_(0, at::tensor(batch.places, at::kLong), nll.cpu());
                 });
  return all;
}

void forced_last_states(const Engine& engine, const std::vector<std::vector<std::int64_t>>& sequences,
                        const std::vector<lora::Coefficients>& points, Mode mode, Monitor& monitor,
                        const ConsumeStates& consume) {
  const CallScope scope(engine.threads());
  CONTLM_CHECK(points.size() == sequences.size(), ValueError,
               "sequences: there must be a coefficient row for each of the ", sequences.size(), ", got ",
               points.size());
  std::vector<ForcedSequence> forced;
  for (std::size_t i = 0; i < sequences.size(); ++i) {
    engine.check_prompt(sequences[i], i, 0);
    forced.push_back({.row = make_row(engine, sequences[i], points[i], i),
                      .first = static_cast<std::int64_t>(sequences[i].size()) - 1,
                      .targets = {},
                      .places = {static_cast<std::int64_t>(i)}});
  }
  // Like lengths side by side leave little of a cache empty.
  std::stable_sort(forced.begin(), forced.end(), [](const ForcedSequence& a, const ForcedSequence& b) {
    return a.row.prompt_length() > b.row.prompt_length();
  });
  const models::Decoder& model = engine.model();
  for_each_batch(engine, forced, mode, monitor,
                 [&](const ForcedBatch& batch, models::KVCache& cache, const lora::AppliedAnchors& anchors) {
                   consume(batch.places,
                           model.last_states(batch.tokens.batch(model.device()), cache, anchors, monitor));
                 });
}

}  // namespace contlm::engine

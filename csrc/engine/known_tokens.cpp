// Logits and losses of sequences whose tokens are all known: every row is one pass, many rows share a forward.
#include <algorithm>

#include <ATen/Functions.h>

#include "common/error.h"
#include "engine/call_scope.h"
#include "engine/engine.h"
#include "engine/planner.h"
#include "engine/token_batch.h"
#include "ops/host_values.h"

namespace contlm::engine {

namespace {

// Tokens of one forward: enough for the products, few enough for the activations to stay in a cache.
constexpr std::int64_t kTokensPerForward = 1024;

}  // namespace

struct Engine::KnownBatch {
  std::vector<const Row*> rows;
  TokenBatchBuilder tokens;  // the rows' tokens one after the other, none selected
  models::KVCache& cache;
  const lora::Standpoint& at;
};

Row Engine::known_row(std::vector<std::int64_t> tokens, const lora::Coefficients& point, std::size_t index) const {
  bank_.check(point);
  Row row;
  row.index = static_cast<std::int64_t>(index);
  row.prompt = std::make_shared<const std::vector<std::int64_t>>(std::move(tokens));
  row.schedule = std::make_shared<const Schedule>(Schedule{point});
  row.prefill_group = row.index;
  return row;
}

void Engine::for_each_known_batch(const std::vector<Row>& rows, Mode mode, Monitor& monitor,
                                  const RunKnown& run) const {
  std::int64_t done = 0, total = 0;
  for (const Row& row : rows) total += row.prompt_length();
  for (const Group& group : Planner(model_, bank_, max_rows()).plan(rows, 0, mode)) {
    const Bound bound = bind(group, monitor);
    for (std::size_t next = 0; next < group.rows.size();) {
      std::vector<const Row*> members;
      TokenBatchBuilder tokens(bank_.size());
      std::int64_t longest = 0;
      while (next < group.rows.size()) {
        const Row& row = rows[group.rows[next]];
        if (!members.empty() && tokens.size() + row.prompt_length() > kTokensPerForward) break;
        tokens.add(*row.prompt, static_cast<std::int64_t>(members.size()), 0, row.coefficients());
        longest = std::max(longest, row.prompt_length());
        members.push_back(&row);
        ++next;
      }
      models::KVCache cache = model_.make_cache(static_cast<std::int64_t>(members.size()), longest);
      lora::Standpoint at = bound.at;
      if (at.bank || at.embeddings) at.coeffs = tokens.coefficients(model_.device());
      done += tokens.size();
      KnownBatch batch{std::move(members), std::move(tokens), cache, at};
      run(batch);
      monitor.progress(done, total);
    }
  }
}

at::Tensor Engine::logits(const at::Tensor& input_ids, const at::Tensor& mask,
                          const std::vector<lora::Coefficients>& points, Mode mode, Monitor& monitor) const {
  const CallScope scope(threads_);
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

  std::vector<Row> rows;
  std::vector<std::vector<std::int64_t>> places;  // where each row's tokens stand in [B * T]
  for (std::int64_t b = 0; b < B; ++b) {
    std::vector<std::int64_t> tokens, place;
    for (std::int64_t i = b * T; i < (b + 1) * T; ++i)
      if (keep[i]) {
        tokens.push_back(id[i]);
        place.push_back(i);
      }
    if (tokens.empty()) continue;
    check_prompt(tokens, b, 0);
    rows.push_back(known_row(std::move(tokens), points[b], rows.size()));
    places.push_back(std::move(place));
  }
  at::Tensor all =
      at::zeros({B * T, model_.spec().vocab_size}, at::TensorOptions().dtype(at::kFloat).device(model_.device()));
  for_each_known_batch(rows, mode, monitor, [&](KnownBatch& batch) {
    batch.tokens.select(0, batch.tokens.size());
    std::vector<std::int64_t> place;
    for (const Row* row : batch.rows) place.insert(place.end(), places[row->index].begin(), places[row->index].end());
    const at::Tensor out = model_.forward(batch.tokens.batch(model_.device()), batch.cache, batch.at, monitor);
    all.index_copy_(0, ops::to_device(place, model_.device()), out);
  });
  return all.view({B, T, -1}).to(input_ids.device());
}

at::Tensor Engine::target_nll(const std::vector<std::vector<std::int64_t>>& sequences,
                              const std::vector<std::int64_t>& first_target,
                              const std::vector<lora::Coefficients>& points, Mode mode, Monitor& monitor) const {
  const CallScope scope(threads_);
  CONTLM_CHECK(first_target.size() == sequences.size() && points.size() == sequences.size(), ValueError,
               "sequences: there must be a first target and a coefficient row for each of the ", sequences.size(),
               ", got ", first_target.size(), " and ", points.size());
  std::vector<Row> rows;
  std::vector<std::int64_t> begins, source;  // of each row: where its losses begin, and which sequence it is
  std::int64_t count = 0;
  for (std::size_t i = 0; i < sequences.size(); ++i) {
    const std::vector<std::int64_t>& sequence = sequences[i];
    const std::int64_t length = static_cast<std::int64_t>(sequence.size());
    CONTLM_CHECK(first_target[i] >= 1, ValueError, "sequence ", i,
                 ": its first target must be token 1 or a later one, ", "got ", first_target[i],
                 "; the first token has none before it to be predicted from");
    if (first_target[i] >= length) continue;
    check_prompt({sequence.begin(), sequence.end() - 1}, i, 0);
    check_prompt({sequence.back()}, i, 0);
    rows.push_back(known_row({sequence.begin(), sequence.end() - 1}, points[i], rows.size()));
    begins.push_back(count);
    source.push_back(static_cast<std::int64_t>(i));
    count += length - first_target[i];
  }
  at::Tensor all = at::empty({count}, at::kFloat);
  for_each_known_batch(rows, mode, monitor, [&](KnownBatch& batch) {
    std::vector<std::int64_t> targets, places;
    std::int64_t offset = 0;
    for (const Row* row : batch.rows) {
      const std::vector<std::int64_t>& sequence = sequences[static_cast<std::size_t>(source[row->index])];
      const std::int64_t first = first_target[static_cast<std::size_t>(source[row->index])];
      batch.tokens.select(offset + first - 1, offset + row->prompt_length());
      targets.insert(targets.end(), sequence.begin() + first, sequence.end());
      for (std::int64_t t = first; t <= row->prompt_length(); ++t) places.push_back(begins[row->index] + t - first);
      offset += row->prompt_length();
    }
    const at::Tensor nll = model_.target_nll(batch.tokens.batch(model_.device()),
                                             ops::to_device(targets, model_.device()), batch.cache, batch.at, monitor);
    all.index_copy_(0, at::tensor(places, at::kLong), nll.cpu());
  });
  return all;
}

}  // namespace contlm::engine

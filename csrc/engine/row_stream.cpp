#include "engine/row_stream.h"

#include <algorithm>
#include <map>

#include "common/philox.h"
#include "common/stopwatch.h"
#include "ops/host_values.h"
#include "ops/sampling.h"

namespace contlm::engine {

namespace {

// Prompt tokens admitted to one step: enough to keep the products efficient, few enough to bound the activations'
// memory.
constexpr std::int64_t kPrefillTokensPerStep = 2048;

std::int64_t slots_of(const StreamJob& job) {
  return std::min(job.max_rows, static_cast<std::int64_t>(job.rows.size()));
}

models::KVCache make_cache(const StreamJob& job) {
  std::int64_t capacity = 0;
  // The last token that is drawn is never fed back.
  for (const Row* row : job.rows) capacity = std::max(capacity, row->prompt_length() + job.options.max_new_tokens - 1);
  return job.model.make_cache(slots_of(job), capacity);
}

}  // namespace

RowStream::RowStream(StreamJob job)
    : job_(std::move(job)),
      waiting_(job_.rows.begin(), job_.rows.end()),
      cache_(make_cache(job_)),
      batch_(static_cast<std::int64_t>(job_.rows.front()->coefficients().size())) {
  for (std::int64_t slot = slots_of(job_); slot-- > 0;) free_slots_.push_back(slot);
}

void RowStream::run() && {
  while (!waiting_.empty() || !running_.empty()) {
    job_.monitor.check();
    const Stopwatch step;
    batch_.clear();
    for (const Running& r : running_) {
      const std::int64_t last = r.row->new_tokens.back();
      const std::int64_t position = r.row->prompt_length() + static_cast<std::int64_t>(r.row->new_tokens.size()) - 1;
      batch_.add({&last, 1}, r.slot, position, r.row->coefficients());
      batch_.select_last();
    }
    const std::int64_t decode_tokens = batch_.size();
    std::vector<Admitted> admitted = admit();
    const std::int64_t prefill_tokens = batch_.size() - decode_tokens;
    const at::Tensor logits = step_logits(admitted);
    for (Admitted& a : admitted) running_.push_back(std::move(a.running));
    std::vector<Running*> stepped;
    for (Running& r : running_) stepped.push_back(&r);
    advance(draw(logits, stepped), stepped);

    // A step's time goes to prefill and decode by their tokens.
    const double seconds = step.seconds();
    const double share = static_cast<double>(prefill_tokens) / static_cast<double>(batch_.size());
    job_.stats.prefill_tokens += prefill_tokens;
    job_.stats.prefill_seconds += seconds * share;
    job_.stats.decode_seconds += seconds * (1 - share);
    job_.monitor.progress(job_.progress.done, job_.progress.total);
  }
}

const RowStream::Running* RowStream::donor(std::int64_t prefill_group) const {
  const auto found = std::find_if(running_.begin(), running_.end(),
                                  [&](const Running& r) { return r.row->prefill_group == prefill_group; });
  return found == running_.end() ? nullptr : &*found;
}

std::vector<RowStream::Admitted> RowStream::admit() {
  std::vector<Admitted> admitted;
  std::map<std::int64_t, std::size_t> leaders;  // prefill group -> the logits row of its prompt's last token
  std::size_t logits_rows = running_.size();
  std::int64_t prefill_tokens = 0;
  while (!waiting_.empty() && !free_slots_.empty()) {
    Row* row = waiting_.front();
    const auto leader = leaders.find(row->prefill_group);
    const bool follows = leader != leaders.end();
    if (!follows && prefill_tokens > 0 && prefill_tokens + row->prompt_length() > kPrefillTokensPerStep) break;
    waiting_.pop_front();
    const std::int64_t slot = free_slots_.back();
    free_slots_.pop_back();
    if (!follows) {
      // A running row of the same prompt still holds its keys and values; only the last token must run again, for its
      // logits.
      std::span<const std::int64_t> prompt(*row->prompt);
      std::int64_t present = 0;
      if (const Running* from = donor(row->prefill_group); from && prompt.size() > 1) {
        present = row->prompt_length() - 1;
        cache_.copy_slot(from->slot, {slot}, present);
      }
      batch_.add(prompt.subspan(static_cast<std::size_t>(present)), slot, present, row->coefficients());
      batch_.select_last();
      prefill_tokens += row->prompt_length() - present;
      leaders.emplace(row->prefill_group, logits_rows++);
    }
    admitted.push_back({{row, slot, {}}, leaders.at(row->prefill_group)});
  }
  return admitted;
}

at::Tensor RowStream::step_logits(const std::vector<Admitted>& admitted) {
  const at::Device device = job_.model.device();
  lora::AppliedAnchors anchors = job_.anchors;
  if (anchors.bank || anchors.embeddings) anchors.coeffs = batch_.coefficients(device);
  at::Tensor logits = job_.model.forward(batch_.batch(device), cache_, anchors, job_.monitor);

  // Rows that follow a leader start from its keys, values and logits.
  std::map<std::size_t, const Running*> leaders;
  std::map<std::size_t, std::vector<std::int64_t>> followers;
  std::vector<std::int64_t> source(running_.size());
  for (std::size_t i = 0; i < running_.size(); ++i) source[i] = static_cast<std::int64_t>(i);
  for (const Admitted& a : admitted) {
    source.push_back(static_cast<std::int64_t>(a.logits_row));
    if (!leaders.try_emplace(a.logits_row, &a.running).second) followers[a.logits_row].push_back(a.running.slot);
  }
  for (const auto& [logits_row, slots] : followers) {
    const Running* leader = leaders.at(logits_row);
    cache_.copy_slot(leader->slot, slots, leader->row->prompt_length());
  }
  if (followers.empty()) return logits;
  return logits.index_select(0, ops::to_device(source, logits.device()));
}

std::vector<std::int64_t> RowStream::draw(at::Tensor logits, const std::vector<Running*>& rows) const {
  if (job_.options.repetition_penalty != 1) {
    std::vector<std::int64_t> offsets{0}, seen;
    for (const Running* r : rows) {
      seen.insert(seen.end(), r->row->prompt->begin(), r->row->prompt->end());
      seen.insert(seen.end(), r->row->new_tokens.begin(), r->row->new_tokens.end());
      offsets.push_back(static_cast<std::int64_t>(seen.size()));
    }
    ops::apply_repetition_penalty_(logits, ops::to_device(offsets, logits.device()),
                                   ops::to_device(seen, logits.device()), job_.options.repetition_penalty);
  }
  std::vector<double> uniform;
  for (const Running* r : rows)
    uniform.push_back(philox_uniform(job_.options.seed, r->row->key, r->row->new_tokens.size()));
  const ops::SamplingParams params{.do_sample = job_.options.do_sample,
                                   .temperature = job_.options.temperature,
                                   .top_k = job_.options.top_k,
                                   .top_p = job_.options.top_p,
                                   .min_p = job_.options.min_p};
  const at::Tensor tokens = ops::sample(logits, ops::to_device(uniform, logits.device()), params).cpu();
  const std::int64_t* drawn = tokens.const_data_ptr<std::int64_t>();
  return {drawn, drawn + tokens.numel()};
}

void RowStream::advance(const std::vector<std::int64_t>& tokens, const std::vector<Running*>& rows) {
  std::vector<std::pair<std::int64_t, std::int64_t>> drawn;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    Running& running = *rows[i];
    Row& row = *running.row;
    row.new_tokens.push_back(tokens[i]);
    if (job_.monitor.wants_tokens()) drawn.emplace_back(row.index, tokens[i]);
    const auto& eos = job_.options.eos_token_ids;
    const std::int64_t count = static_cast<std::int64_t>(row.new_tokens.size());
    if (std::find(eos.begin(), eos.end(), tokens[i]) != eos.end())
      row.finish = FinishReason::eos;
    else if (!job_.stops.empty() && job_.stops.push(running.tail, tokens[i]))
      row.finish = FinishReason::stop;
    else if (count == job_.options.max_new_tokens)
      row.finish = FinishReason::length;
    // What a row will not draw counts as done, so that progress ends at its total.
    job_.progress.done += row.finish == FinishReason::none ? 1 : job_.options.max_new_tokens - count + 1;
    if (row.finish != FinishReason::none) free_slots_.push_back(running.slot);
  }
  job_.stats.new_tokens += static_cast<std::int64_t>(rows.size());
  std::erase_if(running_, [](const Running& r) { return r.row->finish != FinishReason::none; });
  if (!drawn.empty()) job_.monitor.on_tokens(drawn);
}

}  // namespace contlm::engine

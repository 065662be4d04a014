// Runs the rows of one group to their ends: one forward a step, with one token of every running row and the whole
// prompt of every row that a freed slot admits (continuous batching). A prompt that several rows share runs once; the
// others copy its keys and values.
#pragma once

#include <cstdint>
#include <deque>
#include <vector>

#include "common/monitor.h"
#include "engine/options.h"
#include "engine/row.h"
#include "engine/stop_strings.h"
#include "engine/token_batch.h"
#include "lora/standpoint.h"
#include "models/decoder.h"

namespace contlm::engine {

struct Stats {
  std::int64_t rows = 0, prefill_tokens = 0, new_tokens = 0;
  double merge_seconds = 0, prefill_seconds = 0, decode_seconds = 0;
};

class RowStream {
 public:
  RowStream(const models::Decoder& model, lora::Standpoint at, const GenerateOptions& options, const StopStrings& stops,
            Monitor& monitor, Stats& stats)
      : model_(model), at_(std::move(at)), options_(options), stops_(stops), monitor_(monitor), stats_(stats) {}

  // `done` counts the new tokens of the whole call, for progress against `total`.
  void run(const std::vector<Row*>& rows, std::int64_t anchors, std::int64_t max_rows, std::int64_t& done,
           std::int64_t total);

 private:
  struct Running {
    Row* row;
    std::int64_t slot;
    std::string tail;  // for stop strings
  };
  // A row that enters in this step, and whose logits it starts from.
  struct Admitted {
    Running running;
    std::size_t logits_row;
  };

  std::vector<Admitted> admit(TokenBatchBuilder& batch, models::KVCache& cache);
  const Running* donor(std::int64_t prefill_group) const;
  at::Tensor step_logits(TokenBatchBuilder& batch, models::KVCache& cache, const std::vector<Admitted>& admitted);
  std::vector<std::int64_t> draw(at::Tensor logits, const std::vector<Running*>& rows) const;
  void advance(const std::vector<std::int64_t>& tokens, const std::vector<Running*>& rows, std::int64_t& done);

  const models::Decoder& model_;
  lora::Standpoint at_;
  const GenerateOptions& options_;
  const StopStrings& stops_;
  Monitor& monitor_;
  Stats& stats_;
  std::deque<Row*> waiting_;
  std::vector<Running> running_;
  std::vector<std::int64_t> free_slots_;
};

}  // namespace contlm::engine

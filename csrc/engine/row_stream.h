// Runs the rows of one group to their ends: one forward per step, with one token of every running row and the whole
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
#include "lora/applied_anchors.h"
#include "models/decoder.h"

namespace contlm::engine {

struct Stats {
  std::int64_t rows = 0, prefill_tokens = 0, new_tokens = 0;
  double merge_seconds = 0, prefill_seconds = 0, decode_seconds = 0;
};

// New tokens of a whole call, which several streams may share.
struct Progress {
  std::int64_t total;
  std::int64_t done = 0;
};

// What a stream runs, and on what.
struct StreamJob {
  const models::Decoder& model;
  lora::AppliedAnchors anchors;  // of the group's weights; the stream adds the rows' coefficients
  std::vector<Row*> rows;        // at least one
  std::int64_t max_rows;         // that decode together
  const GenerateOptions& options;
  const StopStrings& stops;
  Monitor& monitor;
  Progress& progress;
  Stats& stats;
};

class RowStream {
 public:
  explicit RowStream(StreamJob job);
  // To the rows' ends. A stream that has run is spent.
  void run() &&;

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

  std::vector<Admitted> admit();
  const Running* donor(std::int64_t prefill_group) const;
  at::Tensor step_logits(const std::vector<Admitted>& admitted);
  std::vector<std::int64_t> draw(at::Tensor logits, const std::vector<Running*>& rows) const;
  void advance(const std::vector<std::int64_t>& tokens, const std::vector<Running*>& rows);

  StreamJob job_;
  std::deque<Row*> waiting_;
  std::vector<Running> running_;
  std::vector<std::int64_t> free_slots_;
  models::KVCache cache_;
  TokenBatchBuilder batch_;  // the step's tokens
};

}  // namespace contlm::engine

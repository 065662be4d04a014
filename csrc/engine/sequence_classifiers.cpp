#include "engine/sequence_classifiers.h"

#include <ATen/Functions.h>

#include "common/error.h"
#include "engine/call_scope.h"
#include "engine/teacher_forcing.h"

namespace contlm::engine {

io::BaseModules SequenceClassifiers::base_modules() const {
  io::BaseModules base = engine_.base_modules();
  base.modules.erase(base.output_head);
  return base;
}

void SequenceClassifiers::add(const io::PeftAdapter& adapter) {
  const models::Decoder& model = engine_.model();
  const at::Tensor& score = adapter.score;
  CONTLM_CHECK(score.size(0) > 0 && score.size(1) == model.spec().hidden_size, AdapterError, adapter.where,
               ": the \"score\" head must be [labels, ", model.spec().hidden_size, "], got ", score.sizes(),
               "; use the base that the classifier was trained on");
  engine_.add_adapter(std::to_string(heads_.size()), adapter);
  heads_.push_back(score.detach().to(model.device(), at::kFloat, /*non_blocking=*/false, /*copy=*/true));
}

void SequenceClassifiers::add(const SequenceClassifiers& other) {
  CONTLM_CHECK(&other.engine_.model() == &engine_.model(), ValueError,
               "classifiers: must be opened on one model to score together, these are on different ones");
  for (std::size_t i = 0; i < other.heads_.size(); ++i) {
    engine_.add_adapter(std::to_string(heads_.size()), other.engine_, static_cast<std::int64_t>(i));
    heads_.push_back(other.heads_[i]);
  }
}

std::vector<std::int64_t> SequenceClassifiers::num_labels() const {
  std::vector<std::int64_t> labels;
  for (const at::Tensor& head : heads_) labels.push_back(head.size(0));
  return labels;
}

std::vector<at::Tensor> SequenceClassifiers::logits(std::span<const std::vector<std::int64_t>> texts,
                                                    Monitor& monitor) const {
  const CallScope scope(engine_.threads());
  const std::int64_t C = static_cast<std::int64_t>(heads_.size()), N = static_cast<std::int64_t>(texts.size());
  std::vector<std::vector<std::int64_t>> sequences;
  std::vector<lora::Coefficients> points;
  for (std::int64_t c = 0; c < C; ++c) {
    lora::Coefficients alone(C, 0.0);
    alone[c] = 1.0;
    sequences.insert(sequences.end(), texts.begin(), texts.end());
    points.insert(points.end(), N, alone);
  }
  // Every head reads every row: heads are far smaller than anything else, and each takes its own rows afterwards.
  const at::Tensor stacked = at::cat(heads_);
  const at::Tensor all = at::empty({C * N, stacked.size(0)}, at::kFloat);
  forced_last_states(engine_, sequences, points, Mode::bank, monitor,
                     [&](const std::vector<std::int64_t>& rows, const at::Tensor& states) {
                       all.index_copy_(0, at::tensor(rows, at::kLong), at::linear(states, stacked).cpu());
                     });
  std::vector<at::Tensor> logits;
  std::int64_t first = 0;
  for (std::int64_t c = 0; c < C; ++c) {
    const std::int64_t labels = heads_[c].size(0);
    logits.push_back(all.slice(0, c * N, (c + 1) * N).slice(1, first, first + labels).contiguous());
    first += labels;
  }
  return logits;
}

}  // namespace contlm::engine

// Sequence classifiers over one decoder, as transformers' XForSequenceClassification with a PEFT adapter: each is an
// anchor of a bank of their own, at 1 for its rows, and a head on the last state of a text's last token. They share the
// decoder with the engine that they were opened on, which knows nothing of them.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include <ATen/core/Tensor.h>

#include "engine/engine.h"

namespace contlm::engine {

class SequenceClassifiers {
 public:
  explicit SequenceClassifiers(const Engine& base) : engine_(base.on_same_base()) {}

  // The base's modules, as the adapter reader wants them: without the language model's head, which is not there.
  io::BaseModules base_modules() const;
  // Takes the next index. AdapterError unless the adapter's head reads the base's states.
  void add(const io::PeftAdapter& adapter);
  // All of another's, with their factors shared. ValueError unless it was opened on the same decoder.
  void add(const SequenceClassifiers& other);

  std::vector<std::int64_t> num_labels() const;
  std::int64_t context_length() const { return engine_.model().spec().context_length; }

  // [N, num_labels] fp32 on the CPU of every classifier, for N texts' tokens of any lengths: one pass over texts x
  // classifiers. ValueError for a text without tokens, one past the context or an id outside the vocabulary.
  std::vector<at::Tensor> logits(std::span<const std::vector<std::int64_t>> texts, Monitor& monitor) const;

 private:
  Engine engine_;                  // at coefficients that are 1 for one classifier and 0 for the others
  std::vector<at::Tensor> heads_;  // [labels, hidden] fp32
};

}  // namespace contlm::engine

// RoBERTa for sequence classification, from the decoder's parts: post-norm blocks, attention over the whole text, and
// the classification head on the first token.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include <ATen/core/Tensor.h>

#include "common/monitor.h"
#include "io/hf_config.h"
#include "models/activation.h"
#include "models/linear_group.h"
#include "models/normalization.h"
#include "models/token_embedding.h"

namespace contlm::models {

class RobertaClassifier {
 public:
  RobertaClassifier(const io::HfConfig& config, std::shared_ptr<const io::TensorSource> source, at::ScalarType dtype,
                    at::Device device);

  std::int64_t num_labels() const { return num_labels_; }
  // Tokens that a text may have, special ones included.
  std::int64_t context_length() const { return context_length_; }

  // Texts of any lengths -> logits [N, num_labels] fp32 on the CPU. They are run longest first in batches without
  // padding, and a text's logits do not depend on its batch. ValueError for an empty text, one past the context or an
  // id outside the vocabulary.
  at::Tensor logits(std::span<const std::vector<std::int64_t>> texts, Monitor& monitor) const;

 private:
  struct Layer {
    LinearGroup attention_in, attention_out, intermediate, output;
    Normalization attention_norm, output_norm;
  };
  LinearGroup linear(std::vector<LinearSpec> specs);
  void check(const std::vector<std::int64_t>& text, std::size_t index) const;
  at::Tensor run(std::span<const std::vector<std::int64_t>* const> texts, Monitor& monitor) const;

  Weights weights_;
  at::ScalarType dtype_;
  at::Device device_;
  std::int64_t vocab_size_, hidden_, num_heads_, head_dim_, num_labels_, padding_idx_, context_length_;
  ops::Activation activation_;
  TokenEmbedding words_, positions_;
  at::Tensor token_type_;  // [hidden] fp32: every token is of type 0
  Normalization embedding_norm_;
  std::vector<Layer> layers_;
  LinearGroup head_dense_, head_out_;
};

}  // namespace contlm::models

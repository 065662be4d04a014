// A causal language model of any family that DecoderSpec can state: pre-norm blocks of attention and an MLP over an
// fp32 residual stream. The model is immutable once built; where a pass stands in weight space comes with the call.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include <ATen/core/Tensor.h>

#include "common/monitor.h"
#include "lora/applied_anchors.h"
#include "models/decoder_spec.h"
#include "models/kv_cache.h"
#include "models/linear_group.h"
#include "models/token_embedding.h"

namespace contlm::models {

// The tokens of one forward pass: of any rows, a row's own in ascending order. Device tensors of length T.
struct TokenBatch {
  at::Tensor ids;         // [T] int64
  at::Tensor slot;        // [T] int32, the row's place in the cache
  at::Tensor position;    // [T] int32
  at::Tensor row_length;  // [T] int32, the length that the token's row has reached with this pass
  at::Tensor select;      // [S] int64, the tokens whose logits are wanted
  std::int64_t size() const { return ids.size(0); }
};

class Decoder {
 public:
  Decoder(DecoderSpec spec, std::shared_ptr<const io::TensorSource> source, at::ScalarType dtype, at::Device device);

  const DecoderSpec& spec() const { return spec_; }
  const Weights& weights() const { return weights_; }
  at::ScalarType dtype() const { return dtype_; }
  at::Device device() const { return device_; }
  const lora::InputGroups& input_groups() const { return groups_; }
  std::vector<const LinearSpec*> linears() const;
  std::vector<const TokenEmbedding*> embeddings() const;
  const TokenEmbedding& token_embedding() const { return embedding_; }
  // Multiplications of one token through the layers (the head left out), and through the head.
  std::int64_t layer_parameters() const { return layer_parameters_; }
  std::int64_t head_parameters() const { return spec_.vocab_size * spec_.hidden_size; }

  std::int64_t cache_bytes_per_token() const;
  KVCache make_cache(std::int64_t slots, std::int64_t capacity) const;

  // Writes the batch's keys and values into the cache and returns the logits [S, vocab] fp32 of the selected tokens.
  // The last layer computes only what those need.
  at::Tensor forward(const TokenBatch& batch, KVCache& cache, const lora::AppliedAnchors& anchors,
                     Monitor& monitor) const;

  // The last states [S, hidden] fp32 of the selected tokens, which is what a head reads: after the final norm.
  at::Tensor last_states(const TokenBatch& batch, KVCache& cache, const lora::AppliedAnchors& anchors,
                         Monitor& monitor) const;

  // -log p [S] fp32 of `targets` [S] at the selected tokens. The head runs on those alone, a few at a time, so that
  // their logits never exist together.
  at::Tensor target_nll(const TokenBatch& batch, const at::Tensor& targets, KVCache& cache,
                        const lora::AppliedAnchors& anchors, Monitor& monitor) const;

  // Merged weights for c, of the modules that it touches; the others stay the base's.
  lora::MergedWeights merge(const lora::AnchorBank& bank, const lora::Coefficients& c, Monitor& monitor) const;

 private:
  struct Layer {
    Normalization attention_norm, mlp_norm, q_norm, k_norm;
    LinearGroup attention_in, attention_out, mlp_in, mlp_out;
    std::int64_t window;
  };
  struct Pass;  // the tokens on their way through the layers
  // What the head reads: the last states [S, hidden] of the selected tokens, and the anchors applied to those.
  struct Hidden {
    at::Tensor states;
    lora::AppliedAnchors anchors;
  };
  Hidden hidden(const TokenBatch& batch, KVCache& cache, const lora::AppliedAnchors& anchors, Monitor& monitor) const;

  Layer make_layer(std::int64_t index);
  LinearGroup make_group(std::vector<LinearSpec> specs);
  // x [T, hidden] -> the queries [T, heads, head_dim]; the keys and values go to the cache.
  at::Tensor write_keys_and_values(const Layer& layer, std::size_t index, const at::Tensor& x, const Pass& pass,
                                   KVCache& cache) const;
  at::Tensor attend(const Layer& layer, std::size_t index, at::Tensor q, Pass& pass, const KVCache& cache) const;
  at::Tensor mlp(const Layer& layer, const at::Tensor& x, const lora::AppliedAnchors& anchors) const;
  template <typename Visit>
  void visit_groups(const Visit& visit) const;

  DecoderSpec spec_;
  Weights weights_;
  at::ScalarType dtype_;
  at::Device device_;
  lora::InputGroups groups_;
  std::int64_t layer_parameters_ = 0;
  TokenEmbedding embedding_, positions_;
  std::vector<Layer> layers_;
  Normalization final_norm_;
  LinearGroup head_;
  Rope rope_;
};

}  // namespace contlm::models

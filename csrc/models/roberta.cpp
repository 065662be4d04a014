#include "models/roberta.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include <ATen/Functions.h>
#include <ATen/TensorOperators.h>

#include "common/error.h"
#include "models/kv_cache.h"
#include "ops/attention.h"
#include "ops/host_values.h"

namespace contlm::models {

namespace {

// Enough to keep the products efficient; the activations of more leave the cache and make the whole slower.
constexpr std::int64_t kTokensPerBatch = 1024;

std::int64_t read_num_labels(const io::HfConfig& config) {
  const auto labels = config.get_object("id2label");
  return config.get_int("num_labels", labels ? static_cast<std::int64_t>(labels->json().size()) : 2);
}

}  // namespace

RobertaClassifier::RobertaClassifier(const io::HfConfig& config, std::shared_ptr<const io::TensorSource> source,
                                     at::ScalarType dtype, at::Device device)
    : weights_(std::move(source), ""), dtype_(dtype), device_(device) {
  const std::vector<std::string> architectures = config.architectures();
  const std::string named = architectures.empty() ? config.model_type() : architectures.front();
  CONTLM_CHECK(config.model_type() == "roberta" && named.find("SequenceClassification") != std::string::npos,
               CheckpointError, config.where(), ": a classifier must be a RobertaForSequenceClassification, got \"",
               named, "\" (model_type \"", config.model_type(), "\")");
  vocab_size_ = config.require_int("vocab_size");
  hidden_ = config.require_int("hidden_size");
  num_heads_ = config.require_int("num_attention_heads");
  CONTLM_CHECK(num_heads_ > 0 && hidden_ % num_heads_ == 0, CheckpointError, config.where(),
               ": hidden_size must be a multiple of num_attention_heads, got ", hidden_, " and ", num_heads_);
  head_dim_ = hidden_ / num_heads_;
  num_labels_ = read_num_labels(config);
  padding_idx_ = config.get_int("pad_token_id", 1);
  activation_ = parse_activation(config.get_string("hidden_act", "gelu"), config.where());
  const std::int64_t inner = config.require_int("intermediate_size");
  const std::int64_t positions = config.require_int("max_position_embeddings");
  context_length_ = positions - padding_idx_ - 1;
  const double eps = config.get_float("layer_norm_eps", 1e-12);
  const auto norm = [&](const std::string& name) {
    return Normalization(weights_, name, NormKind::layer, hidden_, eps, device);
  };

  const std::string embeddings = "roberta.embeddings.";
  words_ = TokenEmbedding(weights_, embeddings + "word_embeddings", vocab_size_, hidden_, device);
  positions_ = TokenEmbedding(weights_, embeddings + "position_embeddings", positions, hidden_, device);
  const std::int64_t types = config.get_int("type_vocab_size", 1);
  token_type_ = weights_.get(embeddings + "token_type_embeddings.weight", {types, hidden_})
                    .select(0, 0)
                    .to(device, at::kFloat)
                    .clone();
  embedding_norm_ = norm(embeddings + "LayerNorm");
  const std::int64_t num_layers = config.require_int("num_hidden_layers");
  CONTLM_CHECK(num_layers > 0, CheckpointError, config.where(), ": num_hidden_layers must be at least 1, got ",
               num_layers);
  for (std::int64_t i = 0; i < num_layers; ++i) {
    const std::string prefix = "roberta.encoder.layer." + std::to_string(i) + ".";
    Layer layer;
    layer.attention_in = linear({{prefix + "attention.self.query", hidden_, hidden_, true},
                                 {prefix + "attention.self.key", hidden_, hidden_, true},
                                 {prefix + "attention.self.value", hidden_, hidden_, true}});
    layer.attention_out = linear({{prefix + "attention.output.dense", hidden_, hidden_, true}});
    layer.attention_norm = norm(prefix + "attention.output.LayerNorm");
    layer.intermediate = linear({{prefix + "intermediate.dense", hidden_, inner, true}});
    layer.output = linear({{prefix + "output.dense", inner, hidden_, true}});
    layer.output_norm = norm(prefix + "output.LayerNorm");
    layers_.push_back(std::move(layer));
  }
  head_dense_ = linear({{"classifier.dense", hidden_, hidden_, true}});
  head_out_ = linear({{"classifier.out_proj", hidden_, num_labels_, true}});
}

LinearGroup RobertaClassifier::linear(std::vector<LinearSpec> specs) {
  return LinearGroup(weights_, std::move(specs), 0, dtype_, device_);
}

void RobertaClassifier::check(const std::vector<std::int64_t>& text, std::size_t index) const {
  CONTLM_CHECK(!text.empty(), ValueError, "text ", index, ": must have at least one token; keep the special tokens");
  CONTLM_CHECK(static_cast<std::int64_t>(text.size()) <= context_length_, ValueError, "text ", index,
               ": must have at most ", context_length_, " tokens, got ", text.size(), "; truncate it");
  for (const std::int64_t id : text)
    CONTLM_CHECK(id >= 0 && id < vocab_size_, ValueError, "text ", index, ": token ids must lie in [0, ", vocab_size_,
                 "), got ", id, "; the tokenizer must be the classifier's own");
}

at::Tensor RobertaClassifier::logits(std::span<const std::vector<std::int64_t>> texts, Monitor& monitor) const {
  for (std::size_t i = 0; i < texts.size(); ++i) check(texts[i], i);
  std::vector<std::size_t> order(texts.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return texts[a].size() > texts[b].size(); });

  at::Tensor all = at::empty({static_cast<std::int64_t>(texts.size()), num_labels_}, at::kFloat);
  for (std::size_t first = 0; first < order.size();) {
    std::vector<const std::vector<std::int64_t>*> batch;
    std::vector<std::int64_t> rows;
    std::int64_t tokens = 0;
    while (first < order.size() &&
           (batch.empty() || tokens + static_cast<std::int64_t>(texts[order[first]].size()) <= kTokensPerBatch)) {
      batch.push_back(&texts[order[first]]);
      rows.push_back(static_cast<std::int64_t>(order[first]));
      tokens += static_cast<std::int64_t>(texts[order[first++]].size());
    }
    all.index_copy_(0, at::tensor(rows, at::kLong), run(batch, monitor).cpu());
    monitor.progress(static_cast<std::int64_t>(first), static_cast<std::int64_t>(order.size()));
  }
  return all;
}

at::Tensor RobertaClassifier::run(std::span<const std::vector<std::int64_t>* const> texts, Monitor& monitor) const {
  std::vector<std::int64_t> ids, position_ids, firsts;
  std::vector<std::int32_t> slot, position, key_end;
  std::int64_t longest = 0;
  for (std::size_t row = 0; row < texts.size(); ++row) {
    const std::int64_t length = static_cast<std::int64_t>(texts[row]->size());
    longest = std::max(longest, length);
    firsts.push_back(static_cast<std::int64_t>(ids.size()));
    ids.insert(ids.end(), texts[row]->begin(), texts[row]->end());
    // Positions count the tokens that are not padding, as RobertaEmbeddings does.
    std::int64_t counted = 0;
    for (std::int64_t i = 0; i < length; ++i) {
      position_ids.push_back((*texts[row])[i] == padding_idx_ ? padding_idx_ : padding_idx_ + ++counted);
      position.push_back(static_cast<std::int32_t>(i));
    }
    slot.insert(slot.end(), length, static_cast<std::int32_t>(row));
    key_end.insert(key_end.end(), length, static_cast<std::int32_t>(length));
  }
  const at::Tensor where = ops::to_device(position, device_);
  at::Tensor slots = ops::to_device(slot, device_), key_ends = ops::to_device(key_end, device_);
  at::Tensor key_begins = at::zeros_like(key_ends);
  // One layer's keys and values at a time: an encoder never comes back to them.
  const KVCache cache(1, static_cast<std::int64_t>(texts.size()), num_heads_, longest, head_dim_, dtype_, device_);
  const lora::AppliedAnchors none;
  const double scale = 1.0 / std::sqrt(static_cast<double>(head_dim_));
  const auto heads = [&](const at::Tensor& t) { return t.unflatten(1, {num_heads_, head_dim_}); };

  at::Tensor x = words_.forward(ops::to_device(ids, device_), none) +
                 positions_.forward(ops::to_device(position_ids, device_), none) + token_type_;
  x = embedding_norm_.forward(x, {}, at::kFloat);
  for (const Layer& layer : layers_) {
    monitor.check();
    const Outputs qkv = layer.attention_in.forward(x.to(dtype_), none);
    at::Tensor q = heads(qkv[0]);
    ops::write_kv_(heads(qkv[1]), heads(qkv[2]), cache.keys(0), cache.values(0), slots, where);
    if (&layer == &layers_.back()) {
      // The head reads each text's first token alone.
      const at::Tensor first = ops::to_device(firsts, device_);
      for (at::Tensor* of_tokens : {&q, &x, &slots, &key_begins, &key_ends})
        *of_tokens = of_tokens->index_select(0, first);
    }
    const at::Tensor mixed =
        ops::cached_attention(q, cache.keys(0), cache.values(0), slots, key_begins, key_ends, scale);
    x = layer.attention_norm.forward(x, layer.attention_out.forward(mixed, none)[0], at::kFloat);
    const at::Tensor inner = layer.intermediate.forward_activated(x.to(dtype_), activation_);
    x = layer.output_norm.forward(x, layer.output.forward(inner, none)[0], at::kFloat);
  }
  const at::Tensor pooled = at::tanh(head_dense_.forward(x.to(dtype_), none)[0]);
  return head_out_.forward(pooled, none)[0].to(at::kFloat);
}

}  // namespace contlm::models

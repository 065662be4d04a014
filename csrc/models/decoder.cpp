#include "models/decoder.h"

#include <algorithm>
#include <cmath>
#include <map>

#include <ATen/Functions.h>
#include <ATen/TensorOperators.h>

#include "lora/merge.h"
#include "ops/activation.h"
#include "ops/attention.h"
#include "ops/linear.h"
#include "ops/loss.h"

namespace contlm::models {

namespace {

// Enough rows to hide reading the head's weight; their logits still fit a cache (25 MB at a vocabulary of 49152).
constexpr std::int64_t kTargetsPerHead = 128;

}  // namespace

struct Decoder::Pass {
  at::Tensor slot, position;
  at::Tensor key_end;  // [T] int32: a token sees the keys before it
  at::Tensor cos, sin;
  at::Tensor residual;  // [T, hidden] fp32
  lora::AppliedAnchors anchors;
  std::map<std::int64_t, at::Tensor> key_begins = {};  // by window

  const at::Tensor& key_begin(std::int64_t window) {
    at::Tensor& begin = key_begins[window];
    if (!begin.defined()) begin = window > 0 ? (key_end - window).clamp_min(0) : at::zeros_like(key_end);
    return begin;
  }

  // The tokens whose keys and values are written and whose outputs are wanted; positions have served by then.
  void narrow_to(const at::Tensor& tokens) {
    for (at::Tensor* per_token : {&slot, &key_end, &residual}) *per_token = per_token->index_select(0, tokens);
    anchors = anchors.select(tokens);
    key_begins.clear();
  }
};

Decoder::Decoder(DecoderSpec spec, std::shared_ptr<const io::TensorSource> source, at::ScalarType dtype,
                 at::Device device)
    : spec_(std::move(spec)), weights_(std::move(source), spec_.names.base_prefix), dtype_(dtype), device_(device) {
  const DecoderNames& names = spec_.names;
  embedding_ = TokenEmbedding(weights_, names.embedding, spec_.vocab_size, spec_.hidden_size, device);
  if (!names.positions.empty())
    positions_ = TokenEmbedding(weights_, names.positions, spec_.context_length, spec_.hidden_size, device);
  if (spec_.rope) rope_ = Rope(*spec_.rope, spec_.head_dim, device);
  for (std::int64_t i = 0; i < spec_.num_layers; ++i) layers_.push_back(make_layer(i));
  final_norm_ = Normalization(weights_, names.final_norm, spec_.norm, spec_.hidden_size, spec_.norm_eps, device);
  LinearSpec head{names.head, spec_.hidden_size, spec_.vocab_size};
  if (spec_.tied_head) head.weight_name = names.embedding + ".weight";
  head_ = make_group({head});
  layer_parameters_ -= head_parameters();
}

LinearGroup Decoder::make_group(std::vector<LinearSpec> specs) {
  std::vector<std::string> names;
  for (const LinearSpec& spec : specs) {
    names.push_back(spec.name);
    layer_parameters_ += spec.in * spec.out;
  }
  groups_.push_back(std::move(names));
  return LinearGroup(weights_, std::move(specs), groups_.size() - 1, dtype_, device_);
}

Decoder::Layer Decoder::make_layer(std::int64_t index) {
  const DecoderNames& names = spec_.names;
  const std::string prefix = names.layer_prefix + std::to_string(index) + ".";
  const std::int64_t hidden = spec_.hidden_size, inner = spec_.intermediate_size, dim = spec_.head_dim;
  const std::int64_t query = spec_.num_heads * dim, key = spec_.num_kv_heads * dim;
  const auto norm = [&](const std::string& name, NormKind kind, std::int64_t size) {
    return name.empty() ? Normalization() : Normalization(weights_, prefix + name, kind, size, spec_.norm_eps, device_);
  };
  const auto linear = [&](const std::string& name, std::int64_t in, std::int64_t out, bool bias) {
    return LinearSpec{prefix + name, in, out, bias, spec_.conv1d};
  };
  Layer layer;
  layer.window = spec_.window.empty() ? 0 : spec_.window[index];
  layer.attention_norm = norm(names.attention_norm, spec_.norm, hidden);
  layer.mlp_norm = norm(names.mlp_norm, spec_.norm, hidden);
  layer.q_norm = norm(names.q_norm, NormKind::rms, dim);
  layer.k_norm = norm(names.k_norm, NormKind::rms, dim);
  if (names.attention_in.size() == 1) {
    layer.attention_in = make_group({linear(names.attention_in[0], hidden, query + 2 * key, spec_.qkv_bias)});
  } else {
    layer.attention_in = make_group({linear(names.attention_in[0], hidden, query, spec_.qkv_bias),
                                     linear(names.attention_in[1], hidden, key, spec_.qkv_bias),
                                     linear(names.attention_in[2], hidden, key, spec_.qkv_bias)});
  }
  layer.attention_out = make_group({linear(names.attention_out, query, hidden, spec_.attention_out_bias)});
  std::vector<LinearSpec> mlp_in;
  for (const std::string& name : names.mlp_in) mlp_in.push_back(linear(name, hidden, inner, spec_.mlp_bias));
  layer.mlp_in = make_group(std::move(mlp_in));
  layer.mlp_out = make_group({linear(names.mlp_out, inner, hidden, spec_.mlp_bias)});
  return layer;
}

template <typename Visit>
void Decoder::visit_groups(const Visit& visit) const {
  for (const Layer& layer : layers_)
    for (const LinearGroup* group : {&layer.attention_in, &layer.attention_out, &layer.mlp_in, &layer.mlp_out})
      visit(*group);
  visit(head_);
}

std::vector<const LinearSpec*> Decoder::linears() const {
  std::vector<const LinearSpec*> all;
  visit_groups([&](const LinearGroup& group) {
    for (const LinearSpec& spec : group.specs()) all.push_back(&spec);
  });
  return all;
}

std::vector<const TokenEmbedding*> Decoder::embeddings() const {
  std::vector<const TokenEmbedding*> all{&embedding_};
  if (!spec_.names.positions.empty()) all.push_back(&positions_);
  return all;
}

std::int64_t Decoder::cache_bytes_per_token() const {
  return 2 * spec_.num_layers * spec_.num_kv_heads * spec_.head_dim *
         static_cast<std::int64_t>(at::elementSize(dtype_));
}

KVCache Decoder::make_cache(std::int64_t slots, std::int64_t capacity) const {
  return KVCache(spec_.num_layers, slots, spec_.num_kv_heads, capacity, spec_.head_dim, dtype_, device_);
}

at::Tensor Decoder::write_keys_and_values(const Layer& layer, std::size_t index, const at::Tensor& x, const Pass& pass,
                                          KVCache& cache) const {
  const std::int64_t query = spec_.num_heads * spec_.head_dim, key = spec_.num_kv_heads * spec_.head_dim;
  Outputs parts = layer.attention_in.forward(x, pass.anchors);
  if (parts.size() == 1) {
    const at::Tensor fused = parts[0];
    parts = {fused.slice(1, 0, query), fused.slice(1, query, query + key),
             fused.slice(1, query + key, query + 2 * key)};
  }
  const auto heads = [&](const at::Tensor& t) { return t.unflatten(1, {-1, spec_.head_dim}); };
  const at::Tensor q = heads(parts[0]), k = heads(parts[1]), v = heads(parts[2]);
  if (layer.q_norm.defined()) {
    layer.q_norm.forward_heads_(q);
    layer.k_norm.forward_heads_(k);
  }
  if (spec_.rope) {
    ops::rotary_(q, pass.cos, pass.sin);
    ops::rotary_(k, pass.cos, pass.sin);
  }
  ops::write_kv_(k, v, cache.keys(index), cache.values(index), pass.slot, pass.position);
  return q;
}

at::Tensor Decoder::attend(const Layer& layer, std::size_t index, at::Tensor q, Pass& pass,
                           const KVCache& cache) const {
  const double scale = 1.0 / std::sqrt(static_cast<double>(spec_.head_dim));
  const at::Tensor mixed = ops::cached_attention(q, cache.keys(index), cache.values(index), pass.slot,
                                                 pass.key_begin(layer.window), pass.key_end, scale);
  return layer.attention_out.forward(mixed, pass.anchors)[0];
}

at::Tensor Decoder::mlp(const Layer& layer, const at::Tensor& x, const lora::AppliedAnchors& anchors) const {
  const Outputs in = layer.mlp_in.forward(x, anchors);
  const bool gated = in.size() == 2;
  // Never within the products: a bank adds to those first, and a row at zero must keep the base's bits beside it.
  at::Tensor inner;
  if (gated && spec_.activation == ops::Activation::silu) {
    inner = ops::silu_mul(in[0], in[1]);
  } else {
    inner = ops::activate(spec_.activation, in[0]);
    if (gated) inner = inner * in[1];
  }
  return layer.mlp_out.forward(inner, anchors)[0];
}

Decoder::Hidden Decoder::hidden(const TokenBatch& batch, KVCache& cache, const lora::AppliedAnchors& anchors,
                                Monitor& monitor) const {
  Pass pass{
      .slot = batch.slot,
      .position = batch.position,
      .key_end = batch.position + 1,
      .cos = {},
      .sin = {},
      .residual = embedding_.forward(batch.ids, anchors),
      .anchors = anchors,
  };
  if (!spec_.names.positions.empty()) pass.residual += positions_.forward(batch.position.to(at::kLong), anchors);
  if (spec_.rope) std::tie(pass.cos, pass.sin) = rope_.angles(batch.position, batch.row_length);
  const bool narrows = batch.select.size(0) < batch.size();
  at::Tensor y;
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    monitor.check();
    const Layer& layer = layers_[i];
    y = layer.attention_norm.forward(pass.residual, y, dtype_);
    at::Tensor q = write_keys_and_values(layer, i, y, pass, cache);
    // Past the last layer's keys and values only the selected tokens go on.
    if (narrows && i + 1 == layers_.size()) {
      q = q.index_select(0, batch.select);
      pass.narrow_to(batch.select);
    }
    y = attend(layer, i, std::move(q), pass, cache);
    y = mlp(layer, layer.mlp_norm.forward(pass.residual, y, dtype_), pass.anchors);
  }
  return {final_norm_.forward(pass.residual, y, dtype_), pass.anchors};
}

at::Tensor Decoder::forward(const TokenBatch& batch, KVCache& cache, const lora::AppliedAnchors& anchors,
                            Monitor& monitor) const {
  const Hidden last = hidden(batch, cache, anchors, monitor);
  return head_.forward(last.states, last.anchors)[0].to(at::kFloat);
}

at::Tensor Decoder::last_states(const TokenBatch& batch, KVCache& cache, const lora::AppliedAnchors& anchors,
                                Monitor& monitor) const {
  return hidden(batch, cache, anchors, monitor).states.to(at::kFloat);
}

at::Tensor Decoder::target_nll(const TokenBatch& batch, const at::Tensor& targets, KVCache& cache,
                               const lora::AppliedAnchors& anchors, Monitor& monitor) const {
  const Hidden last = hidden(batch, cache, anchors, monitor);
  std::vector<at::Tensor> parts;
  for (std::int64_t begin = 0; begin < targets.size(0); begin += kTargetsPerHead) {
    monitor.check();
    const std::int64_t end = std::min(begin + kTargetsPerHead, targets.size(0));
    const at::Tensor logits = head_.forward(last.states.slice(0, begin, end), last.anchors.slice(begin, end))[0];
    parts.push_back(ops::target_nll(logits, targets.slice(0, begin, end)));
  }
  return parts.size() == 1 ? parts[0] : at::cat(parts);
}

lora::MergedWeights Decoder::merge(const lora::AnchorBank& bank, const lora::Coefficients& c, Monitor& monitor) const {
  lora::MergedWeights merged;
  visit_groups([&](const LinearGroup& group) {
    std::vector<lora::MergedModule> modules(group.specs().size());
    for (std::size_t m = 0; m < modules.size(); ++m) {
      monitor.check();
      const LinearSpec& spec = group.specs()[m];
      const std::vector<lora::AnchorFactors>& factors = bank.factors(spec.name);
      if (!lora::touches(factors, c)) continue;
      const at::Tensor base = read_weight(weights_, spec).to(device_);
      modules[m].weight = ops::pack_linear_weight(lora::merge_weight(base, factors, c).to(dtype_));
      const at::Tensor bias = lora::merge_bias(read_bias(weights_, spec), factors, c);
      if (bias.defined()) modules[m].bias = bias.to(device_, dtype_);
    }
    merged.push_back(std::move(modules));
  });
  return merged;
}

}  // namespace contlm::models

// What distinguishes one decoder family from another, as data. A family file turns config.json into this; decoder.cpp
// runs it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "models/activation.h"
#include "models/normalization.h"
#include "models/rope.h"

namespace contlm::models {

// HuggingFace module names. Those of a layer stand behind layer_prefix + index + ".".
struct DecoderNames {
  std::string base_prefix = "model.";  // absent in checkpoints of the bare base model
  std::string embedding = "model.embed_tokens";
  std::string positions;  // learned positions; empty: none
  std::string layer_prefix = "model.layers.";
  std::vector<std::string> attention_in = {"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"};  // or one fused
  std::string attention_out = "self_attn.o_proj";
  std::string q_norm, k_norm;                                          // empty: none
  std::vector<std::string> mlp_in = {"mlp.gate_proj", "mlp.up_proj"};  // two: gated; one: plain
  std::string mlp_out = "mlp.down_proj";
  std::string attention_norm = "input_layernorm";
  std::string mlp_norm = "post_attention_layernorm";
  std::string final_norm = "model.norm";
  std::string head = "lm_head";
};

struct DecoderSpec {
  std::string family;
  DecoderNames names;
  std::int64_t vocab_size = 0, hidden_size = 0, intermediate_size = 0;
  std::int64_t num_layers = 0, num_heads = 0, num_kv_heads = 0, head_dim = 0;
  std::int64_t context_length = 0;
  NormKind norm = NormKind::rms;
  double norm_eps = 1e-6;
  ops::Activation activation = ops::Activation::silu;
  bool qkv_bias = false, attention_out_bias = false, mlp_bias = false;
  bool conv1d = false;
  bool tied_head = false;
  std::optional<RopeSpec> rope;
  std::vector<std::int64_t> window;  // of each layer: how many positions a token sees, itself included; 0: all
};

}  // namespace contlm::models

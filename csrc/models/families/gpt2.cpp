// GPT-2: learned positions, LayerNorm, one fused qkv, a plain MLP, and Conv1D layers whose weights are stored [in,
// out].
#include "models/families/registry.h"

namespace contlm::models {

DecoderSpec gpt2_spec(const io::HfConfig& config) {
  for (const char* flag : {"scale_attn_by_inverse_layer_idx", "add_cross_attention"})
    CONTLM_CHECK(!config.get_bool(flag, false), CheckpointError, config.where(), ": ", flag,
                 " must be false, this variant is not supported");
  CONTLM_CHECK(config.get_bool("scale_attn_weights", true), CheckpointError, config.where(),
               ": scale_attn_weights must be true, this variant is not supported");
  DecoderSpec spec;
  spec.names.base_prefix = "transformer.";
  spec.names.embedding = "transformer.wte";
  spec.names.positions = "transformer.wpe";
  spec.names.layer_prefix = "transformer.h.";
  spec.names.attention_in = {"attn.c_attn"};
  spec.names.attention_out = "attn.c_proj";
  spec.names.mlp_in = {"mlp.c_fc"};
  spec.names.mlp_out = "mlp.c_proj";
  spec.names.attention_norm = "ln_1";
  spec.names.mlp_norm = "ln_2";
  spec.names.final_norm = "transformer.ln_f";
  spec.vocab_size = config.require_int("vocab_size");
  spec.hidden_size = config.require_int("n_embd");
  spec.num_layers = config.require_int("n_layer");
  spec.num_heads = spec.num_kv_heads = config.require_int("n_head");
  CONTLM_CHECK(spec.num_heads > 0 && spec.hidden_size % spec.num_heads == 0, CheckpointError, config.where(),
               ": n_embd must be a multiple of n_head, got ", spec.hidden_size, " and ", spec.num_heads);
  spec.head_dim = spec.hidden_size / spec.num_heads;
  spec.intermediate_size = config.get_int("n_inner", 4 * spec.hidden_size);
  spec.context_length = config.get_int("n_positions", 1024);
  spec.norm = NormKind::layer;
  spec.norm_eps = config.get_float("layer_norm_epsilon", 1e-5);
  spec.activation = parse_activation(config.get_string("activation_function", "gelu_new"), config.where());
  spec.qkv_bias = spec.attention_out_bias = spec.mlp_bias = true;
  spec.conv1d = true;
  spec.tied_head = config.get_bool("tie_word_embeddings", true);
  return spec;
}

}  // namespace contlm::models

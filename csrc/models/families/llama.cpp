// Llama 1 to 3.x, and everything that calls itself LlamaForCausalLM (SmolLM2, TinyLlama, ...).
#include "models/families/llama_like.h"
#include "models/families/registry.h"

namespace contlm::models {

DecoderSpec llama_like_spec(const io::HfConfig& config) {
  DecoderSpec spec;
  spec.vocab_size = config.require_int("vocab_size");
  spec.hidden_size = config.require_int("hidden_size");
  spec.intermediate_size = config.require_int("intermediate_size");
  spec.num_layers = config.require_int("num_hidden_layers");
  spec.num_heads = config.require_int("num_attention_heads");
  spec.num_kv_heads = config.get_int("num_key_value_heads", spec.num_heads);
  CONTLM_CHECK(spec.num_heads > 0 && spec.num_kv_heads > 0 && spec.num_heads % spec.num_kv_heads == 0, CheckpointError,
               config.where(), ": num_attention_heads must be a multiple of num_key_value_heads, got ", spec.num_heads,
               " and ", spec.num_kv_heads);
  spec.head_dim = config.get_int("head_dim", spec.hidden_size / spec.num_heads);
  spec.norm_eps = config.get_float("rms_norm_eps", spec.norm_eps);
  spec.activation = parse_activation(config.get_string("hidden_act", "silu"), config.where());
  spec.tied_head = config.get_bool("tie_word_embeddings", false);
  spec.context_length = config.get_int("max_position_embeddings", 2048);
  spec.rope = read_rope(config, spec.context_length);
  if (spec.rope->kind == RopeSpec::Kind::dynamic)
    spec.context_length = static_cast<std::int64_t>(static_cast<double>(spec.context_length) * spec.rope->factor);
  return spec;
}

std::vector<std::int64_t> read_windows(const io::HfConfig& config, std::int64_t num_layers, std::int64_t first) {
  const std::int64_t window = config.get_int("sliding_window", 0);
  const std::vector<std::string> types = config.get_strings("layer_types");
  std::vector<std::int64_t> windows(static_cast<std::size_t>(num_layers), 0);
  for (std::size_t i = 0; i < windows.size(); ++i) {
    const bool slides = i < types.size() ? types[i] == "sliding_attention" : static_cast<std::int64_t>(i) >= first;
    if (slides) windows[i] = window;
  }
  return windows;
}

DecoderSpec llama_spec(const io::HfConfig& config) {
  DecoderSpec spec = llama_like_spec(config);
  spec.qkv_bias = spec.attention_out_bias = config.get_bool("attention_bias", false);
  spec.mlp_bias = config.get_bool("mlp_bias", false);
  return spec;
}

}  // namespace contlm::models

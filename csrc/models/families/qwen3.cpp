// Qwen3: Llama with RMSNorm on each head's query and key.
#include "models/families/llama_like.h"
#include "models/families/registry.h"

namespace contlm::models {

DecoderSpec qwen3_spec(const io::HfConfig& config) {
  DecoderSpec spec = llama_like_spec(config);
  spec.head_dim = config.get_int("head_dim", 128);
  spec.qkv_bias = spec.attention_out_bias = config.get_bool("attention_bias", false);
  spec.names.q_norm = "self_attn.q_norm";
  spec.names.k_norm = "self_attn.k_norm";
  if (config.get_bool("use_sliding_window", false))
    spec.window = read_windows(config, spec.num_layers, config.get_int("max_window_layers", spec.num_layers));
  return spec;
}

}  // namespace contlm::models

// Qwen2 and 2.5: Llama with biases on q, k and v, and a sliding window on the upper layers where the config turns it
// on.
#include "models/families/llama_like.h"
#include "models/families/registry.h"

namespace contlm::models {

DecoderSpec qwen2_spec(const io::HfConfig& config) {
  DecoderSpec spec = llama_like_spec(config);
  spec.qkv_bias = true;
  if (config.get_bool("use_sliding_window", false))
    spec.window = read_windows(config, spec.num_layers, config.get_int("max_window_layers", spec.num_layers));
  return spec;
}

}  // namespace contlm::models

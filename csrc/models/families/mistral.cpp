// Mistral: Llama with a sliding window on every layer.
#include "models/families/llama_like.h"
#include "models/families/registry.h"

namespace contlm::models {

DecoderSpec mistral_spec(const io::HfConfig& config) {
  DecoderSpec spec = llama_like_spec(config);
  spec.window = read_windows(config, spec.num_layers, 0);
  return spec;
}

}  // namespace contlm::models

// The fields that Llama and its descendants spell alike.
#pragma once

#include "io/hf_config.h"
#include "models/decoder_spec.h"

namespace contlm::models {

// Everything but biases, q/k norms and windows, which each family states itself.
DecoderSpec llama_like_spec(const io::HfConfig& config);

// Every layer's window: sliding_window where `layer_types` says "sliding_attention" or, without it, from layer `first`
// on.
std::vector<std::int64_t> read_windows(const io::HfConfig& config, std::int64_t num_layers, std::int64_t first);

}  // namespace contlm::models

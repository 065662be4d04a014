// The decoder families that contlm knows. A new one is a file beside this one that turns config.json into a
// DecoderSpec, and a line in registry.cpp.
#pragma once

#include "io/hf_config.h"
#include "models/decoder_spec.h"

namespace contlm::models {

// By model_type. CheckpointError naming the type and listing the known ones.
DecoderSpec read_decoder_spec(const io::HfConfig& config);

DecoderSpec llama_spec(const io::HfConfig& config);
DecoderSpec mistral_spec(const io::HfConfig& config);
DecoderSpec qwen2_spec(const io::HfConfig& config);
DecoderSpec qwen3_spec(const io::HfConfig& config);
DecoderSpec gpt2_spec(const io::HfConfig& config);

}  // namespace contlm::models

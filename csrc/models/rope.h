// Rotary position embedding: the angles of each token. Frequencies are formed in fp32 exactly as transformers forms
// them (modeling_rope_utils), because at long positions a last-bit difference in a frequency shows in the logits.
#pragma once

#include <cstdint>
#include <utility>

#include <ATen/core/Tensor.h>

#include "io/hf_config.h"

namespace contlm::models {

struct RopeSpec {
  enum class Kind { plain, linear, dynamic, llama3 };
  Kind kind = Kind::plain;
  double theta = 10000;
  double factor = 1;
  double low_freq_factor = 1, high_freq_factor = 4;  // llama3
  std::int64_t original_context = 0;                 // llama3 and dynamic
};

// From rope_theta + rope_scaling (transformers 4) or rope_parameters (transformers 5). A kind that is not known is a
// CheckpointError that names it.
RopeSpec read_rope(const io::HfConfig& config, std::int64_t context_length);

class Rope {
 public:
  Rope() = default;
  Rope(const RopeSpec& spec, std::int64_t head_dim, at::Device device);

  // position, row_length [T] int32 -> cos, sin [T, head_dim / 2] fp32. row_length is the length that the token's row
  // has reached in this pass; dynamic NTK scaling stretches by it, so a row's angles do not depend on its company.
  std::pair<at::Tensor, at::Tensor> angles(const at::Tensor& position, const at::Tensor& row_length) const;

 private:
  at::Tensor dynamic_frequencies(const at::Tensor& row_length) const;

  RopeSpec spec_;
  std::int64_t head_dim_ = 0;
  at::Tensor frequency_;  // [head_dim / 2] fp32
};

}  // namespace contlm::models

#include "models/rope.h"

#include <cmath>
#include <numbers>

#include <ATen/Functions.h>
#include <ATen/TensorOperators.h>

namespace contlm::models {

namespace {

// 1 / theta^(2i / d), i = 0 .. d/2 - 1; theta may be a column, one value per token.
at::Tensor inverse_frequencies(const at::Tensor& theta, std::int64_t head_dim) {
  const at::Tensor exponent = at::arange(0, head_dim, 2, at::TensorOptions().dtype(at::kFloat).device(theta.device())) /
                              static_cast<double>(head_dim);
  return at::pow(theta, exponent).reciprocal();
}

// Llama 3.1: long wavelengths are slowed by `factor`, short ones kept, those between blended.
at::Tensor llama3_frequencies(const at::Tensor& frequency, const RopeSpec& spec) {
  const double context = static_cast<double>(spec.original_context);
  const at::Tensor wavelength = 2 * std::numbers::pi / frequency;
  const at::Tensor slowed = frequency / spec.factor;
  const at::Tensor is_long = wavelength > context / spec.low_freq_factor;
  const at::Tensor is_short = wavelength < context / spec.high_freq_factor;
  const at::Tensor smooth =
      (context / wavelength - spec.low_freq_factor) / (spec.high_freq_factor - spec.low_freq_factor);
  const at::Tensor blended = (1 - smooth) * slowed + smooth * frequency;
  return at::where(is_long, slowed, at::where(is_short, frequency, blended));
}

}  // namespace

RopeSpec read_rope(const io::HfConfig& config, std::int64_t context_length) {
  RopeSpec spec;
  spec.theta = config.get_float("rope_theta", spec.theta);
  spec.original_context = context_length;
  const char* field = config.has("rope_parameters") ? "rope_parameters" : "rope_scaling";
  const std::optional<io::HfConfig> scaling = config.get_object(field);
  if (!scaling) return spec;
  spec.theta = scaling->get_float("rope_theta", spec.theta);
  CONTLM_CHECK(scaling->get_float("partial_rotary_factor", config.get_float("partial_rotary_factor", 1)) == 1,
               CheckpointError, config.where(), ": partial_rotary_factor must be 1, other values are not supported");
  const std::string kind = scaling->get_string("rope_type", scaling->get_string("type", "default"));
  spec.factor = scaling->get_float("factor", 1);
  if (kind == "default") return spec;
  if (kind == "linear") {
    spec.kind = RopeSpec::Kind::linear;
  } else if (kind == "dynamic") {
    spec.kind = RopeSpec::Kind::dynamic;
  } else if (kind == "llama3") {
    spec.kind = RopeSpec::Kind::llama3;
    spec.low_freq_factor = scaling->get_float("low_freq_factor", spec.low_freq_factor);
    spec.high_freq_factor = scaling->get_float("high_freq_factor", spec.high_freq_factor);
    spec.original_context = scaling->get_int("original_max_position_embeddings", context_length);
  } else {
    throw CheckpointError(message(config.where(), ": ", field,
                                  " must be of type default, linear, dynamic or llama3, got \"", kind,
                                  "\"; this scaling is not supported"));
  }
  return spec;
}

Rope::Rope(const RopeSpec& spec, std::int64_t head_dim, at::Device device) : spec_(spec), head_dim_(head_dim) {
  frequency_ = inverse_frequencies(at::full({1}, spec.theta, at::kFloat), head_dim);
  if (spec.kind == RopeSpec::Kind::linear) frequency_ = frequency_ / spec.factor;
  if (spec.kind == RopeSpec::Kind::llama3) frequency_ = llama3_frequencies(frequency_, spec);
  frequency_ = frequency_.to(device);
}

at::Tensor Rope::dynamic_frequencies(const at::Tensor& row_length) const {
  const double context = static_cast<double>(spec_.original_context);
  const double dim = static_cast<double>(head_dim_);
  const at::Tensor reached = row_length.to(at::kDouble).clamp_min(context);
  const at::Tensor stretch = (spec_.factor * reached / context - (spec_.factor - 1)).pow(dim / (dim - 2));
  return inverse_frequencies((spec_.theta * stretch).to(at::kFloat).unsqueeze(1), head_dim_);
}

std::pair<at::Tensor, at::Tensor> Rope::angles(const at::Tensor& position, const at::Tensor& row_length) const {
  const at::Tensor frequency = spec_.kind == RopeSpec::Kind::dynamic ? dynamic_frequencies(row_length) : frequency_;
  const at::Tensor angle = position.to(at::kFloat).unsqueeze(1) * frequency;
  return {angle.cos(), angle.sin()};
}

}  // namespace contlm::models

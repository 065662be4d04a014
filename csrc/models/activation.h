// The activation functions of the known families, by the names that config.json gives them.
#pragma once

#include <string>

#include <ATen/core/Tensor.h>

namespace contlm::models {

enum class Activation { silu, gelu, gelu_tanh, relu };

// CheckpointError for a name that is not known; `where` is the config.
Activation parse_activation(const std::string& name, const std::string& where);
at::Tensor activate(Activation activation, const at::Tensor& x);

}  // namespace contlm::models

#include "models/activation.h"

#include "common/error.h"

namespace contlm::models {

ops::Activation parse_activation(const std::string& name, const std::string& where) {
  if (name == "silu" || name == "swish") return ops::Activation::silu;
  if (name == "gelu") return ops::Activation::gelu;
  if (name == "gelu_new" || name == "gelu_pytorch_tanh" || name == "gelu_fast") return ops::Activation::gelu_tanh;
  if (name == "relu") return ops::Activation::relu;
  throw CheckpointError(message(where,
                                ": the activation must be silu, gelu, gelu_new, gelu_pytorch_tanh or relu, got \"",
                                name, "\"; this model cannot be run"));
}

}  // namespace contlm::models

// The activation functions of the known families, by the names that config.json gives them.
#pragma once

#include <string>

#include "ops/activation.h"

namespace contlm::models {

// CheckpointError for a name that is not known; `where` is the config.
ops::Activation parse_activation(const std::string& name, const std::string& where);

}  // namespace contlm::models

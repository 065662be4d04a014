// A coefficient row: c in R^K, one weight per anchor, in the bank's order. A point (alpha, lambda) becomes one in
// Python (contlm.point, the only home of that rule); the core knows nothing but c.
#pragma once

#include <cstdint>
#include <vector>

namespace contlm::lora {

using Coefficients = std::vector<double>;

// Indices of the anchors that take part, ascending.
using AnchorSet = std::vector<std::int64_t>;

}  // namespace contlm::lora

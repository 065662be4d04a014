// What build_info and tests ask beside the ops themselves, which torch.ops.contlm reaches.
#include <pybind11/stl.h>

#include "bindings/register.h"
#include "common/philox.h"
#include "ops/capability.h"

namespace contlm::bindings {

void register_ops(pybind11::module_& module) {
  module.def("cpu_capability", &ops::cpu_capability);
  module.def("cpu_capabilities", &ops::cpu_capabilities);
  module.def("_set_cpu_capability", &ops::set_cpu_capability);
  module.def("philox_4x32_10", [](std::array<std::uint32_t, 4> counter, std::array<std::uint32_t, 2> key) {
    const PhiloxBlock block = philox_4x32_10({{counter[0], counter[1], counter[2], counter[3]}}, key[0], key[1]);
    return std::array<std::uint32_t, 4>{block.word[0], block.word[1], block.word[2], block.word[3]};
  });
  module.def("philox_uniform", &philox_uniform);
}

}  // namespace contlm::bindings

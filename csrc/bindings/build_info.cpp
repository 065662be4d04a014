#include <ATen/Parallel.h>
#include <pybind11/stl.h>
#include <torch/version.h>

#include "bindings/register.h"
#include "ops/capability.h"

namespace contlm::bindings {

namespace py = pybind11;

void register_build_info(py::module_& module) {
  module.def("cpu_capability", &ops::cpu_capability);
  module.def("build_info", [] {
    py::dict info;
    info["version"] = CONTLM_VERSION;
    info["torch"] = TORCH_VERSION;
    info["compiler"] = __VERSION__;
    info["cpu_capability"] = ops::cpu_capability();
    info["cpu_capabilities"] = ops::cpu_capabilities();
    info["threads"] = at::get_num_threads();
    return info;
  });
}

}  // namespace contlm::bindings

#include <pybind11/stl.h>

#include "bindings/register.h"
#include "metrics/dist_n.h"

namespace contlm::bindings {

namespace py = pybind11;

void register_metrics(py::module_& module) {
  module.def(
      "dist_n",
      [](const std::vector<std::string>& texts, const std::vector<std::int64_t>& group, std::int64_t n) {
        return metrics::dist_n(texts, group, n);
      },
      py::arg("texts"), py::arg("group"), py::arg("n"), py::call_guard<py::gil_scoped_release>());
}

}  // namespace contlm::bindings

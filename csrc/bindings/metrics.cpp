#include <pybind11/stl.h>

#include "bindings/register.h"
#include "metrics/dist_n.h"
#include "metrics/self_bleu.h"

namespace contlm::bindings {

namespace py = pybind11;

namespace {

using OfGroups = double(std::span<const std::string_view>, std::span<const std::int64_t>, std::int64_t);

// The views look into the Python strings, which the caller's list keeps alive.
template <OfGroups metric>
double call(const std::vector<std::string_view>& texts, const std::vector<std::int64_t>& group, std::int64_t n) {
  return metric(texts, group, n);
}

}  // namespace

void register_metrics(py::module_& module) {
  const py::call_guard<py::gil_scoped_release> unlocked;
  module.def("dist_n", &call<metrics::dist_n>, py::arg("texts"), py::arg("group"), py::arg("n"), unlocked);
  module.def("self_bleu", &call<metrics::self_bleu>, py::arg("texts"), py::arg("group"), py::arg("n"), unlocked);
}

}  // namespace contlm::bindings

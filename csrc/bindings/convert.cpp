#include "bindings/convert.h"

#include "common/error.h"

namespace contlm::bindings {

namespace {

lora::Coefficients row(const double* first, py::ssize_t count) { return {first, first + count}; }

std::string shape_of(const CoefficientArray& array) { return py::str(array.attr("shape")).cast<std::string>(); }

}  // namespace

lora::Coefficients to_coefficients(const CoefficientArray& array) {
  CONTLM_CHECK(array.ndim() == 1, ValueError, "coefficients: must have shape [K], got ", shape_of(array));
  return row(array.data(), array.shape(0));
}

std::vector<lora::Coefficients> to_coefficient_rows(const CoefficientArray& array) {
  CONTLM_CHECK(array.ndim() == 2, ValueError, "coefficients: must have shape [rows, K], got ", shape_of(array));
  std::vector<lora::Coefficients> rows;
  for (py::ssize_t i = 0; i < array.shape(0); ++i)
    rows.push_back(row(array.data() + i * array.shape(1), array.shape(1)));
  return rows;
}

std::vector<engine::Schedule> to_schedules(const CoefficientArray& array) {
  CONTLM_CHECK(array.ndim() == 2 || array.ndim() == 3, ValueError,
               "coefficients: must have shape [prompts, K], or [prompts, steps, K] for a schedule, got ",
               shape_of(array));
  const py::ssize_t steps = array.ndim() == 3 ? array.shape(1) : 1, anchors = array.shape(array.ndim() - 1);
  std::vector<engine::Schedule> schedules(static_cast<std::size_t>(array.shape(0)));
  for (std::size_t p = 0; p < schedules.size(); ++p)
    for (py::ssize_t s = 0; s < steps; ++s)
      schedules[p].push_back(row(array.data() + (static_cast<py::ssize_t>(p) * steps + s) * anchors, anchors));
  return schedules;
}

io::BaseModules to_base(const ModuleTable& modules, std::string output_head, std::string name, Tensors weights) {
  io::BaseModules base{.modules = {}, .output_head = std::move(output_head), .name = std::move(name), .weight = {}};
  for (const auto& [module, entry] : modules) {
    const auto& [kind, in, out] = entry;
    base.modules[module] = {io::parse_module_kind(kind), in, out};
  }
  base.weight = [weights = std::move(weights)](const std::string& module) {
    const auto found = weights.find(module);
    return found == weights.end() ? at::Tensor() : found->second;
  };
  return base;
}

bool PyMonitor::is_due(Clock::time_point& last) {
  constexpr auto kInterval = std::chrono::milliseconds(50);
  const Clock::time_point now = Clock::now();
  if (now - last < kInterval) return false;
  last = now;
  return true;
}

void PyMonitor::check() {
  if (!is_due(checked_)) return;
  const py::gil_scoped_acquire gil;
  if (PyErr_CheckSignals() != 0) throw py::error_already_set();
}

void PyMonitor::progress(std::int64_t done, std::int64_t total) {
  if (on_progress_.is_none() || (done < total && !is_due(reported_))) return;
  const py::gil_scoped_acquire gil;
  on_progress_(done, total);
}

void PyMonitor::on_tokens(std::span<const std::pair<std::int64_t, std::int64_t>> drawn) {
  const py::gil_scoped_acquire gil;
  on_tokens_(py::cast(std::vector<std::pair<std::int64_t, std::int64_t>>(drawn.begin(), drawn.end())));
}

}  // namespace contlm::bindings

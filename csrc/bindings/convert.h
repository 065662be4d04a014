// Conversions between Python's and the core's types that more than one binding needs.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include <pybind11/functional.h>
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>
#include <pybind11/stl/filesystem.h>
#include <torch/csrc/utils/pybind.h>

#include "common/monitor.h"
#include "engine/row.h"
#include "io/peft_adapter.h"

namespace contlm::bindings {

namespace py = pybind11;

using CoefficientArray = py::array_t<double, py::array::c_style | py::array::forcecast>;

// [K] -> one row; ValueError otherwise.
lora::Coefficients to_coefficients(const CoefficientArray& array);
// [N, K] -> N rows.
std::vector<lora::Coefficients> to_coefficient_rows(const CoefficientArray& array);
// [N, K] -> N fixed points; [N, steps, K] -> N schedules.
std::vector<engine::Schedule> to_schedules(const CoefficientArray& array);

using Tensors = std::map<std::string, at::Tensor>;
// name -> (kind, in, out)
using ModuleTable = std::map<std::string, std::tuple<std::string, std::int64_t, std::int64_t>>;
io::BaseModules to_base(const ModuleTable& modules, std::string output_head, std::string name, Tensors weights);

// pybind11 holds what it was given by a non-const pointer; the class offers const methods only.
using SourceHolder = std::shared_ptr<io::TensorSource>;

// Progress to Python callables, and Ctrl-C from the interpreter. Both are looked at a few times a second at most, so
// that a step costs no Python; tokens are handed over every step, for those who asked for them.
class PyMonitor : public Monitor {
 public:
  PyMonitor(py::object on_progress, py::object on_tokens)
      : on_progress_(std::move(on_progress)), on_tokens_(std::move(on_tokens)) {}

  void check() override;
  void progress(std::int64_t done, std::int64_t total) override;
  bool wants_tokens() const override { return !on_tokens_.is_none(); }
  void on_tokens(std::span<const std::pair<std::int64_t, std::int64_t>> drawn) override;

 private:
  using Clock = std::chrono::steady_clock;
  static bool is_due(Clock::time_point& last);

  py::object on_progress_, on_tokens_;
  Clock::time_point checked_ = Clock::now(), reported_ = Clock::now();
};

}  // namespace contlm::bindings

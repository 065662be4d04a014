#include "bindings/convert.h"
#include "bindings/register.h"
#include "engine/call_scope.h"
#include "engine/sequence_classifiers.h"
#include "io/dtype_names.h"
#include "models/roberta.h"

namespace contlm::bindings {

namespace {

using engine::SequenceClassifiers;
using models::RobertaClassifier;

// The classifier with the threads that its calls run under.
struct Classifier {
  RobertaClassifier model;
  std::int64_t threads;
};

std::vector<std::string> add_adapter(SequenceClassifiers& self, const std::filesystem::path& directory,
                                     const io::NameMatcher& match) {
  const io::PeftAdapter adapter =
      io::read_peft_adapter(directory, self.base_modules(), match, io::AdapterUse::classifier);
  self.add(adapter);
  return adapter.warnings;
}

void register_sequence_classifiers(py::module_& module) {
  py::class_<SequenceClassifiers>(module, "SequenceClassifiers")
      .def(py::init<const engine::Engine&>(), py::arg("engine"))
      .def("add_adapter", &add_adapter, py::arg("directory"), py::arg("match_names"),
           py::call_guard<py::gil_scoped_release>())
      .def("add", py::overload_cast<const SequenceClassifiers&>(&SequenceClassifiers::add), py::arg("other"))
      .def_property_readonly("num_labels", &SequenceClassifiers::num_labels)
      .def_property_readonly("context_length", &SequenceClassifiers::context_length)
      .def(
          "logits",
          [](const SequenceClassifiers& self, const std::vector<std::vector<std::int64_t>>& input_ids) {
            PyMonitor monitor{py::none(), py::none()};
            const py::gil_scoped_release release;
            return self.logits(input_ids, monitor);
          },
          py::arg("input_ids"));
}

}  // namespace

void register_classifier(py::module_& module) {
  register_sequence_classifiers(module);
  py::class_<Classifier>(module, "Classifier")
      .def(py::init([](const std::string& config, std::shared_ptr<io::TensorSource> weights, const std::string& where,
                       const std::string& dtype, const std::string& device, std::int64_t threads) {
             const py::gil_scoped_release release;
             const engine::CallScope scope(threads);
             const at::ScalarType compute =
                 io::parse_dtype(dtype, "auto", {at::kFloat, at::kBFloat16}).value_or(at::kFloat);
             return std::unique_ptr<Classifier>(new Classifier{
                 RobertaClassifier(io::HfConfig(config, where), weights, compute, at::Device(device)), threads});
           }),
           py::arg("config"), py::arg("weights"), py::kw_only(), py::arg("where") = "classifier",
           py::arg("dtype") = "auto", py::arg("device") = "cpu", py::arg("threads") = 0)
      .def_property_readonly("num_labels", [](const Classifier& c) { return c.model.num_labels(); })
      .def_property_readonly("context_length", [](const Classifier& c) { return c.model.context_length(); })
      .def(
          "logits",
          [](const Classifier& self, const std::vector<std::vector<std::int64_t>>& input_ids) {
            PyMonitor monitor{py::none(), py::none()};
            const py::gil_scoped_release release;
            const engine::CallScope scope(self.threads);
            return self.model.logits(input_ids, monitor);
          },
          py::arg("input_ids"));
}

}  // namespace contlm::bindings

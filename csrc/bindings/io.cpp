// TensorSource, PeftAdapter and its reader. Files are read without the GIL.
#include "bindings/convert.h"
#include "bindings/register.h"
#include "io/peft_adapter.h"
#include "io/safetensors.h"

namespace contlm::bindings {

namespace py = pybind11;
namespace fs = std::filesystem;
using Source = std::shared_ptr<const io::TensorSource>;
using Unlocked = py::gil_scoped_release;

namespace {

SourceHolder hold(const Source& source) { return std::const_pointer_cast<io::TensorSource>(source); }

py::dict to_dict(const io::LoraModule& lora) {
  const py::object bias = lora.bias.defined() ? py::cast(lora.bias) : py::none();
  return py::dict(py::arg("r") = lora.r(), py::arg("scaling") = lora.scaling, py::arg("A") = lora.A,
                  py::arg("B") = lora.B, py::arg("bias") = bias);
}

void register_sources(py::module_& module) {
  py::class_<io::TensorSource, SourceHolder>(module, "TensorSource")
      .def_static(
          "open_safetensors",
          [](const fs::path& file) {
            const Unlocked unlocked;
            return hold(io::open_safetensors(file));
          },
          py::arg("file"))
      .def_static(
          "open_checkpoint",
          [](const fs::path& directory) {
            const Unlocked unlocked;
            return hold(io::open_checkpoint(directory));
          },
          py::arg("directory"))
      .def_static(
          "from_tensors",
          [](Tensors tensors, std::string where) {
            return hold(io::from_tensors(std::move(tensors), std::move(where)));
          },
          py::arg("tensors"), py::arg("where"))
      .def("names", &io::TensorSource::names)
      .def(
          "shape",
          [](const io::TensorSource& source, const std::string& name) {
            return py::tuple(py::cast(source.info(name).shape));
          },
          py::arg("name"))
      .def("tensor", &io::TensorSource::tensor, py::arg("name"))
      .def("__contains__", &io::TensorSource::contains);
}

void register_adapters(py::module_& module) {
  py::class_<io::PeftAdapter>(module, "PeftAdapter")
      .def_readonly("warnings", &io::PeftAdapter::warnings)
      .def("modules", [](const io::PeftAdapter& adapter) {
        py::dict modules;
        for (const auto& [name, lora] : adapter.modules) modules[py::str(name)] = to_dict(lora);
        return modules;
      });

  module.def(
      "read_peft_adapter",
      [](const fs::path& directory, const ModuleTable& modules, const io::NameMatcher& match, std::string output_head,
         std::string name, Tensors weights) {
        const io::BaseModules base = to_base(modules, std::move(output_head), std::move(name), std::move(weights));
        const Unlocked unlocked;
        return io::read_peft_adapter(directory, base, match);
      },
      py::arg("directory"), py::arg("modules"), py::arg("match_names"), py::arg("output_head") = "",
      py::arg("name") = "", py::arg("weights") = Tensors{});
}

}  // namespace

void register_io(py::module_& module) {
  register_sources(module);
  register_adapters(module);
}

}  // namespace contlm::bindings

// TensorSource, write_safetensors, HfConfig, PeftAdapter and its reader and writer. Files are read and written without
// the GIL.
#include <pybind11/functional.h>
#include <pybind11/stl.h>
#include <pybind11/stl/filesystem.h>
#include <torch/csrc/utils/pybind.h>

#include "bindings/register.h"
#include "io/hf_config.h"
#include "io/peft_adapter.h"
#include "io/safetensors.h"

namespace contlm::bindings {

namespace py = pybind11;
namespace fs = std::filesystem;
using Source = std::shared_ptr<const io::TensorSource>;
using Unlocked = py::gil_scoped_release;
using Tensors = std::map<std::string, at::Tensor>;
using ModuleTable = std::map<std::string, std::tuple<std::string, std::int64_t, std::int64_t>>;

namespace {

// pybind11 holds what it was given by a non-const pointer; the class offers const methods only.
using Holder = std::shared_ptr<io::TensorSource>;
Holder hold(const Source& source) { return std::const_pointer_cast<io::TensorSource>(source); }

io::BaseModules to_base(const ModuleTable& modules, std::string output_head, std::string name, Tensors weights) {
  io::BaseModules base{{}, std::move(output_head), std::move(name), {}};
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

py::dict to_dict(const io::LoraModule& lora) {
  const py::object bias = lora.bias.defined() ? py::cast(lora.bias) : py::none();
  return py::dict(py::arg("r") = lora.r(), py::arg("scaling") = lora.scaling, py::arg("A") = lora.A,
                  py::arg("B") = lora.B, py::arg("bias") = bias);
}

io::LoraFactors to_factors(const std::tuple<at::Tensor, at::Tensor, std::optional<at::Tensor>>& factors) {
  return {std::get<0>(factors), std::get<1>(factors), std::get<2>(factors).value_or(at::Tensor())};
}

void register_sources(py::module_& module) {
  py::class_<io::TensorSource, Holder>(module, "TensorSource")
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

  module.def(
      "write_safetensors",
      [](const fs::path& file, const Tensors& tensors, const std::optional<io::Metadata>& metadata) {
        const Unlocked unlocked;
        io::write_safetensors(file, tensors, metadata.value_or(io::Metadata{{"format", "pt"}}));
      },
      py::arg("file"), py::arg("tensors"), py::arg("metadata") = py::none());
}

void register_configs(py::module_& module) {
  py::class_<io::HfConfig>(module, "HfConfig")
      .def(py::init<const std::string&, std::string>(), py::arg("text"), py::arg("where"))
      .def_property_readonly("where", &io::HfConfig::where)
      .def("model_type", &io::HfConfig::model_type)
      .def("architectures", &io::HfConfig::architectures)
      .def("has", &io::HfConfig::has)
      .def("require_int", &io::HfConfig::require_int)
      .def("get_int", &io::HfConfig::get_int)
      .def("get_float", &io::HfConfig::get_float)
      .def("get_bool", &io::HfConfig::get_bool)
      .def("get_string", &io::HfConfig::get_string)
      .def("get_object", &io::HfConfig::get_object)
      .def("get_strings", &io::HfConfig::get_strings)
      .def("get_floats", &io::HfConfig::get_floats);
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

  module.def(
      "read_peft_adapter_tensors",
      [](const std::string& config, const Holder& tensors, const ModuleTable& modules, const io::NameMatcher& match,
         std::string output_head, std::string name, const std::string& where, Tensors weights) {
        const io::BaseModules base = to_base(modules, std::move(output_head), std::move(name), std::move(weights));
        const Unlocked unlocked;
        return io::read_peft_adapter(config, *tensors, base, match, where);
      },
      py::arg("config"), py::arg("tensors"), py::arg("modules"), py::arg("match_names"), py::arg("output_head") = "",
      py::arg("name") = "", py::arg("where") = "adapter", py::arg("weights") = Tensors{});

  module.def(
      "write_peft_adapter",
      [](const fs::path& directory,
         const std::map<std::string, std::tuple<at::Tensor, at::Tensor, std::optional<at::Tensor>>>& factors,
         const ModuleTable& modules, std::string name) {
        const io::BaseModules base = to_base(modules, "", std::move(name), {});
        std::map<std::string, io::LoraFactors> converted;
        for (const auto& [module, lora] : factors) converted.emplace(module, to_factors(lora));
        const Unlocked unlocked;
        io::write_peft_adapter(directory, converted, base);
      },
      py::arg("directory"), py::arg("factors"), py::arg("modules"), py::arg("name") = "");
}

}  // namespace

void register_io(py::module_& module) {
  register_sources(module);
  register_configs(module);
  register_adapters(module);
}

}  // namespace contlm::bindings

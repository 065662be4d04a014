// _native._testing: parts of the core that the package itself reaches only from C++, opened for tests and benchmarks.
#include "bindings/convert.h"
#include "bindings/register.h"
#include "common/philox.h"
#include "engine/engine.h"
#include "io/hf_config.h"
#include "io/safetensors.h"
#include "ops/capability.h"

namespace contlm::bindings {

namespace fs = std::filesystem;
using Unlocked = py::gil_scoped_release;

namespace {

io::LoraFactors to_factors(const std::tuple<at::Tensor, at::Tensor, std::optional<at::Tensor>>& factors) {
  return {std::get<0>(factors), std::get<1>(factors), std::get<2>(factors).value_or(at::Tensor())};
}

void register_ops(py::module_& module) {
  module.def("cpu_capabilities", &ops::cpu_capabilities);
  module.def("set_cpu_capability", &ops::set_cpu_capability, py::arg("name"));
  module.def("philox_4x32_10", [](std::array<std::uint32_t, 4> counter, std::array<std::uint32_t, 2> key) {
    const PhiloxBlock block = philox_4x32_10({{counter[0], counter[1], counter[2], counter[3]}}, key[0], key[1]);
    return std::array<std::uint32_t, 4>{block.word[0], block.word[1], block.word[2], block.word[3]};
  });
  module.def("philox_uniform", &philox_uniform);
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

void register_files(py::module_& module) {
  module.def(
      "write_safetensors",
      [](const fs::path& file, const Tensors& tensors, const std::optional<io::Metadata>& metadata) {
        const Unlocked unlocked;
        io::write_safetensors(file, tensors, metadata.value_or(io::Metadata{{"format", "pt"}}));
      },
      py::arg("file"), py::arg("tensors"), py::arg("metadata") = py::none());

  module.def(
      "read_peft_adapter_tensors",
      [](const std::string& config, const SourceHolder& tensors, const ModuleTable& modules,
         const io::NameMatcher& match, std::string output_head, std::string name, const std::string& where,
         Tensors weights) {
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

void register_testing(py::module_& native) {
  py::module_ module = native.def_submodule("_testing");
  register_ops(module);
  register_configs(module);
  register_files(module);
  module.def(
      "merged_weight",
      [](const engine::Engine& engine, const std::string& name, const CoefficientArray& c) {
        return engine.merged_weight(name, to_coefficients(c));
      },
      py::arg("engine"), py::arg("module"), py::arg("coefficients"));
}

}  // namespace contlm::bindings

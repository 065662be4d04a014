#include "engine/engine.h"

#include <torch/csrc/utils/pybind.h>

#include "bindings/convert.h"
#include "bindings/register.h"
#include "engine/teacher_forcing.h"
#include "io/dtype_names.h"
#include "lora/low_rank.h"

namespace contlm::bindings {

namespace {

using engine::Engine;
using engine::GenerateOptions;

py::dict modules_of(const Engine& engine) {
  py::dict modules;
  for (const auto& [name, module] : engine.base_modules().modules)
    modules[py::str(name)] = py::make_tuple(io::module_kind_name(module.kind), module.in, module.out);
  return modules;
}

py::dict stats_of(const engine::Generated& generated) {
  const engine::Stats& s = generated.stats;
  const double seconds = s.prefill_seconds + s.decode_seconds;
  py::dict stats;
  stats["mode"] = engine::mode_name(generated.mode);
  stats["rows"] = s.rows;
  stats["prefill_tokens"] = s.prefill_tokens;
  stats["new_tokens"] = s.new_tokens;
  stats["merge_seconds"] = s.merge_seconds;
  stats["prefill_seconds"] = s.prefill_seconds;
  stats["decode_seconds"] = s.decode_seconds;
  stats["tokens_per_s"] = seconds > 0 ? static_cast<double>(s.new_tokens) / seconds : 0.0;
  return stats;
}

py::tuple to_python(const engine::Generated& generated) {
  py::list tokens, reasons;
  for (const engine::Row& row : generated.rows) {
    tokens.append(row.new_tokens);
    reasons.append(engine::finish_reason_name(row.finish));
  }
  return py::make_tuple(tokens, reasons, stats_of(generated));
}

py::tuple generate(const Engine& self, const std::vector<std::vector<std::int64_t>>& prompts,
                   const CoefficientArray& coefficients, const GenerateOptions& options, const py::object& on_progress,
                   const py::object& on_tokens) {
  const std::vector<engine::Schedule> schedules = to_schedules(coefficients);
  PyMonitor monitor(on_progress, on_tokens);
  const engine::Generated generated = [&] {
    const py::gil_scoped_release release;
    return self.generate(prompts, schedules, options, monitor);
  }();
  return to_python(generated);
}

at::Tensor logits(const Engine& self, const at::Tensor& input_ids, const std::optional<at::Tensor>& mask,
                  const CoefficientArray& coefficients, const std::string& mode) {
  const std::vector<lora::Coefficients> points = to_coefficient_rows(coefficients);
  PyMonitor monitor{py::none(), py::none()};
  const py::gil_scoped_release release;
  return engine::forced_logits(self, input_ids, mask.value_or(at::Tensor()), points, engine::parse_mode(mode), monitor);
}

at::Tensor target_nll(const Engine& self, const std::vector<std::vector<std::int64_t>>& sequences,
                      const std::vector<std::int64_t>& first_target, const CoefficientArray& coefficients,
                      const std::string& mode, const py::object& on_progress) {
  const std::vector<lora::Coefficients> points = to_coefficient_rows(coefficients);
  PyMonitor monitor(on_progress, py::none());
  const py::gil_scoped_release release;
  return engine::forced_nll(self, sequences, first_target, points, engine::parse_mode(mode), monitor);
}

std::vector<std::string> add_adapter(Engine& self, const std::string& name, const std::filesystem::path& directory,
                                     const io::NameMatcher& match) {
  const io::PeftAdapter adapter = io::read_peft_adapter(directory, self.base_modules(), match);
  self.add_adapter(name, adapter);
  return adapter.warnings;
}

std::vector<std::string> add_adapter_tensors(Engine& self, const std::string& name, const std::string& config,
                                             const io::TensorSource& tensors, const std::string& where,
                                             const io::NameMatcher& match) {
  const io::PeftAdapter adapter = io::read_peft_adapter(config, tensors, self.base_modules(), match, where);
  self.add_adapter(name, adapter);
  return adapter.warnings;
}

void register_options(py::module_& module) {
  py::class_<GenerateOptions>(module, "GenerateOptions")
      .def(py::init([](const py::kwargs& kwargs) {
        py::object options = py::cast(GenerateOptions());
        for (const auto& [name, value] : kwargs) {
          CONTLM_CHECK(py::hasattr(options, name), TypeError, "generate: unknown option \"",
                       py::cast<std::string>(name), "\"");
          py::setattr(options, name, value);
        }
        return options.cast<GenerateOptions>();
      }))
      .def_readwrite("max_new_tokens", &GenerateOptions::max_new_tokens)
      .def_readwrite("do_sample", &GenerateOptions::do_sample)
      .def_readwrite("temperature", &GenerateOptions::temperature)
      .def_readwrite("top_k", &GenerateOptions::top_k)
      .def_readwrite("top_p", &GenerateOptions::top_p)
      .def_readwrite("min_p", &GenerateOptions::min_p)
      .def_readwrite("repetition_penalty", &GenerateOptions::repetition_penalty)
      .def_readwrite("num_return_sequences", &GenerateOptions::num_return_sequences)
      .def_readwrite("eos_token_ids", &GenerateOptions::eos_token_ids)
      .def_readwrite("stop_strings", &GenerateOptions::stop_strings)
      .def_readwrite("seed", &GenerateOptions::seed)
      .def_property(
          "mode", [](const GenerateOptions& o) { return engine::mode_name(o.mode); },
          [](GenerateOptions& o, const std::string& name) { o.mode = engine::parse_mode(name); });
}

}  // namespace

void register_engine(py::module_& module) {
  register_options(module);
  py::class_<Engine>(module, "Engine")
      .def(py::init([](const std::string& config, std::shared_ptr<io::TensorSource> weights, const std::string& where,
                       const std::string& dtype, const std::string& device, std::int64_t threads,
                       std::int64_t max_rows) {
             const py::gil_scoped_release release;
             return std::make_unique<Engine>(io::HfConfig(config, where), weights,
                                             engine::EngineSettings{dtype, at::Device(device), threads, max_rows});
           }),
           py::arg("config"), py::arg("weights"), py::kw_only(), py::arg("where") = "model", py::arg("dtype") = "auto",
           py::arg("device") = "cpu", py::arg("threads") = 0, py::arg("max_rows") = 0)
      .def("add_adapter", &add_adapter, py::arg("name"), py::arg("directory"), py::arg("match_names"),
           py::call_guard<py::gil_scoped_release>())
      .def("add_adapter_tensors", &add_adapter_tensors, py::arg("name"), py::arg("config"), py::arg("tensors"),
           py::arg("where"), py::arg("match_names"), py::call_guard<py::gil_scoped_release>())
      .def_property_readonly("anchors", [](const Engine& e) { return e.bank().names(); })
      .def_property_readonly("model_type", [](const Engine& e) { return e.model().spec().family; })
      .def_property_readonly("vocab_size", [](const Engine& e) { return e.model().spec().vocab_size; })
      .def_property_readonly("context_length", [](const Engine& e) { return e.model().spec().context_length; })
      .def_property_readonly("dtype", [](const Engine& e) { return io::dtype_name(e.model().dtype()); })
      .def_property_readonly("device", [](const Engine& e) { return e.model().device().str(); })
      .def_property_readonly("max_rows", &Engine::max_rows)
      .def("modules", &modules_of)
      .def(
          "set_token_bytes",
          [](Engine& self, const std::vector<py::bytes>& tokens) {
            self.set_token_bytes({tokens.begin(), tokens.end()});
          },
          py::arg("token_bytes"))
      .def("logits", &logits, py::arg("input_ids"), py::arg("attention_mask"), py::arg("coefficients"),
           py::arg("mode") = "auto")
      .def("target_nll", &target_nll, py::arg("sequences"), py::arg("first_target"), py::arg("coefficients"),
           py::arg("mode") = "auto", py::arg("on_progress") = py::none())
      .def("generate", &generate, py::arg("prompts"), py::arg("coefficients"), py::arg("options"),
           py::arg("on_progress") = py::none(), py::arg("on_tokens") = py::none())
      .def(
          "save_merged",
          [](const Engine& self, const std::filesystem::path& directory, const CoefficientArray& c,
             const std::string& dtype) {
            const lora::Coefficients coefficients = to_coefficients(c);
            const py::gil_scoped_release release;
            return self.save_merged(directory, coefficients,
                                    io::parse_dtype(dtype, "", {at::kFloat, at::kBFloat16, at::kHalf}));
          },
          py::arg("directory"), py::arg("coefficients"), py::arg("dtype") = "")
      .def(
          "save_adapter",
          [](const Engine& self, const std::filesystem::path& directory, const CoefficientArray& c, std::int64_t rank) {
            const lora::Coefficients coefficients = to_coefficients(c);
            const py::gil_scoped_release release;
            self.save_adapter(directory, coefficients, rank);
          },
          py::arg("directory"), py::arg("coefficients"), py::arg("rank") = 0)
      .def("gram", [](const Engine& e) { return lora::gram(e.bank()); }, py::call_guard<py::gil_scoped_release>());
}

}  // namespace contlm::bindings

#include "bindings/register.h"

PYBIND11_MODULE(_native, module) {
  module.attr("__version__") = CONTLM_VERSION;
  contlm::bindings::register_errors(module);
  contlm::bindings::register_build_info(module);
  contlm::bindings::register_io(module);
  contlm::bindings::register_engine(module);
  contlm::bindings::register_classifier(module);
  contlm::bindings::register_metrics(module);
  contlm::bindings::register_testing(module);
}

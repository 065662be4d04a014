#include "bindings/register.h"

PYBIND11_MODULE(_native, module) {
  module.attr("__version__") = CONTLM_VERSION;
  contlm::bindings::register_errors(module);
  contlm::bindings::register_ops(module);
}

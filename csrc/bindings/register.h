// The native module, one register_* a class or a family of functions. A binding converts and forwards: no loop, no
// maths.
#pragma once

#include <pybind11/pybind11.h>

namespace contlm::bindings {

void register_errors(pybind11::module_& module);
void register_build_info(pybind11::module_& module);
void register_ops(pybind11::module_& module);
void register_io(pybind11::module_& module);
void register_engine(pybind11::module_& module);
void register_classifier(pybind11::module_& module);
void register_metrics(pybind11::module_& module);

}  // namespace contlm::bindings

// The native module, one register_* per class or family of functions. A binding converts and forwards.
#pragma once

#include <pybind11/pybind11.h>

namespace contlm::bindings {

void register_errors(pybind11::module_& module);
void register_build_info(pybind11::module_& module);
void register_io(pybind11::module_& module);
void register_engine(pybind11::module_& module);
void register_classifier(pybind11::module_& module);
void register_metrics(pybind11::module_& module);
void register_testing(pybind11::module_& module);

}  // namespace contlm::bindings

// C++ errors -> Python's own, and contlm.AdapterError and contlm.CheckpointError (subclasses of ValueError).
#include "bindings/register.h"

#include <c10/util/Exception.h>

#include "common/error.h"

namespace contlm::bindings {

namespace py = pybind11;

void register_errors(py::module_& module) {
  // pybind11 tries translators last-registered first, so the base classes come first here.
  py::register_exception_translator([](std::exception_ptr error) {
    try {
      if (error) std::rethrow_exception(error);
    } catch (const ValueError& e) {
      py::set_error(PyExc_ValueError, e.what());
    } catch (const TypeError& e) {
      py::set_error(PyExc_TypeError, e.what());
    } catch (const FileNotFound& e) {
      py::set_error(PyExc_FileNotFoundError, e.what());
    } catch (const IoError& e) {
      py::set_error(PyExc_OSError, e.what());
    } catch (const c10::ValueError& e) {
      py::set_error(PyExc_ValueError, e.what_without_backtrace());
    } catch (const c10::TypeError& e) {
      py::set_error(PyExc_TypeError, e.what_without_backtrace());
    } catch (const c10::Error& e) {
      py::set_error(PyExc_RuntimeError, e.what_without_backtrace());
    }
  });
  py::register_exception<AdapterError>(module, "AdapterError", PyExc_ValueError);
  py::register_exception<CheckpointError>(module, "CheckpointError", PyExc_ValueError);
}

}  // namespace contlm::bindings

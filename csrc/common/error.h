// The errors that contlm raises. Each becomes the like-named Python exception at the boundary (bindings/errors.cpp),
// so that no C++ type, backtrace or abort reaches a user. Messages have one form:
// *what: what must hold, what we got, what to do*.
#pragma once

#include <sstream>
#include <stdexcept>
#include <string>

namespace contlm {

// A value that the caller chose does not fit. -> ValueError
struct ValueError : std::runtime_error {
  using std::runtime_error::runtime_error;
};
// -> TypeError
struct TypeError : std::runtime_error {
  using std::runtime_error::runtime_error;
};
// -> FileNotFoundError
struct FileNotFound : std::runtime_error {
  using std::runtime_error::runtime_error;
};
// Reading or writing failed below us (permissions, a full disk). -> OSError
struct IoError : std::runtime_error {
  using std::runtime_error::runtime_error;
};
// A PEFT adapter that cannot be used. -> contlm.AdapterError
struct AdapterError : ValueError {
  using ValueError::ValueError;
};
// A base model, its weights or its configuration that cannot be used. -> contlm.CheckpointError
struct CheckpointError : ValueError {
  using ValueError::ValueError;
};
template <typename... Parts>
std::string message(const Parts&... parts) {
  std::ostringstream out;
  (out << ... << parts);
  return out.str();
}

}  // namespace contlm

// The message is built only when the condition fails, so a check costs a branch.
#define CONTLM_CHECK(condition, Error, ...)        \
  do {                                             \
    if (!(condition)) [[unlikely]]                 \
      throw Error(::contlm::message(__VA_ARGS__)); \
  } while (false)

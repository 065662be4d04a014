// The ops' errors: torch's own ValueError and TypeError, because torch.ops knows how to raise those in Python and
// nothing of ours stands between it and a kernel. bindings/errors.cpp raises the same Python errors on our side of the
// boundary.
#pragma once

#include <string>
#include <utility>

#include <c10/util/Exception.h>

#include "common/error.h"

namespace contlm::ops {

struct ValueError : c10::ValueError {
  explicit ValueError(std::string what) : c10::ValueError({__func__, __FILE__, __LINE__}, std::move(what)) {}
};

struct TypeError : c10::TypeError {
  explicit TypeError(std::string what) : c10::TypeError({__func__, __FILE__, __LINE__}, std::move(what)) {}
};

}  // namespace contlm::ops

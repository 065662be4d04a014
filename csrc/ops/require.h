// The words that the checks are written in. Each throws the error that contlm raises, as
// *op: what must hold, what we got, what to do*.
#pragma once

#include <initializer_list>

#include <c10/core/ScalarType.h>

#include "ops/checks.h"
#include "ops/error.h"

namespace contlm::ops {

// A tensor with what messages call it and its layout.
struct Argument {
  const char* name;
  const char* layout;
  const at::Tensor& tensor;
};

// ndim dimensions, each of `sizes` where that is not negative.
void require_shape(const char* op, const Argument& argument, std::initializer_list<std::int64_t> sizes);
void require_dtype(const char* op, const Argument& argument, at::ScalarType dtype);
void require_float32_or_bfloat16(const char* op, const Argument& argument);
// The elements of the last dimension lie side by side.
void require_dense_rows(const char* op, const Argument& argument);
void require_same_device(const char* op, const at::Tensor& first, std::initializer_list<Argument> others);

constexpr std::int64_t kAnySize = -1;

}  // namespace contlm::ops

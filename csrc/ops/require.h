// The words that the ops' checks are written in. Each throws the error that contlm raises, as
// *op: what must hold, what we got, what to do*. Every kernel that the dispatcher can reach calls its op's check first,
// so a call is checked once whether it came from C++ or from torch.ops.contlm. The checks read shapes and types, never
// a tensor's data: what only the data can tell is checked by the kernels that can read it without waiting for a device.
#pragma once

#include <initializer_list>
#include <string>

#include <ATen/core/Tensor.h>

#include "ops/error.h"

namespace contlm::ops {

// "float32 [2, 3] on cpu", for messages.
std::string describe(const at::Tensor& tensor);

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

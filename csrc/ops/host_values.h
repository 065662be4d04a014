// Small arrays that the host computes and a pass needs on its device.
#pragma once

#include <vector>

#include <ATen/core/Tensor.h>
#include <ATen/ops/tensor.h>

namespace contlm::ops {

// values -> a tensor [values.size()] of the like dtype on `device`.
template <typename T>
at::Tensor to_device(const std::vector<T>& values, at::Device device) {
  return at::tensor(values, at::TensorOptions().dtype(c10::CppTypeToScalarType<T>::value)).to(device);
}

}  // namespace contlm::ops

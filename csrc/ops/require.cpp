#include "ops/require.h"

#include <sstream>

namespace contlm::ops {
namespace {

const char* dtype_name(at::ScalarType dtype) {
  switch (dtype) {
    case at::kFloat:
      return "float32";
    case at::kBFloat16:
      return "bfloat16";
    case at::kHalf:
      return "float16";
    case at::kDouble:
      return "float64";
    case at::kInt:
      return "int32";
    case at::kLong:
      return "int64";
    default:
      return c10::toString(dtype);
  }
}

bool fits(const at::Tensor& tensor, std::initializer_list<std::int64_t> sizes) {
  if (tensor.dim() != static_cast<std::int64_t>(sizes.size())) return false;
  std::int64_t dim = 0;
  for (const std::int64_t size : sizes) {
    if (size != kAnySize && tensor.size(dim) != size) return false;
    ++dim;
  }
  return true;
}

std::string shape_text(std::initializer_list<std::int64_t> sizes) {
  std::ostringstream out;
  const char* separator = "";
  out << "[";
  for (const std::int64_t size : sizes) {
    out << separator;
    separator = ", ";
    size == kAnySize ? out << "any" : out << size;
  }
  out << "]";
  return out.str();
}

}  // namespace

std::string describe(const at::Tensor& tensor) {
  return message(dtype_name(tensor.scalar_type()), " ", tensor.sizes(), " on ", tensor.device().str());
}

void require_shape(const char* op, const Argument& argument, std::initializer_list<std::int64_t> sizes) {
  CONTLM_CHECK(fits(argument.tensor, sizes), ValueError, op, ": ", argument.name, " must be ", argument.layout, " = ",
               shape_text(sizes), ", got ", describe(argument.tensor), "; pass a tensor of that shape");
}

void require_dtype(const char* op, const Argument& argument, at::ScalarType dtype) {
  CONTLM_CHECK(argument.tensor.scalar_type() == dtype, TypeError, op, ": ", argument.name, " must be ",
               dtype_name(dtype), ", got ", describe(argument.tensor), "; convert it");
}

void require_float32_or_bfloat16(const char* op, const Argument& argument) {
  const at::ScalarType dtype = argument.tensor.scalar_type();
  CONTLM_CHECK(dtype == at::kFloat || dtype == at::kBFloat16, TypeError, op, ": ", argument.name,
               " must be float32 or bfloat16, got ", describe(argument.tensor), "; convert it");
}

void require_dense_rows(const char* op, const Argument& argument) {
  const at::Tensor& tensor = argument.tensor;
  CONTLM_CHECK(tensor.size(-1) <= 1 || tensor.stride(-1) == 1, ValueError, op, ": the last dimension of ",
               argument.name, " must have stride 1, got strides ", tensor.strides(),
               "; pass a tensor whose last dimension is contiguous");
}

void require_same_device(const char* op, const at::Tensor& first, std::initializer_list<Argument> others) {
  for (const Argument& other : others) {
    CONTLM_CHECK(other.tensor.device() == first.device(), ValueError, op, ": all tensors must be on one device, got ",
                 other.name, " on ", other.tensor.device().str(), " and others on ", first.device().str(),
                 "; move them together");
  }
}

}  // namespace contlm::ops

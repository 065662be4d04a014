#include "io/dtype_names.h"

#include "common/error.h"
#include "io/listing.h"

namespace contlm::io {

const char* dtype_name(at::ScalarType dtype) {
  switch (dtype) {
    case at::ScalarType::Float:
      return "float32";
    case at::ScalarType::Half:
      return "float16";
    case at::ScalarType::BFloat16:
      return "bfloat16";
    default:
      throw ValueError(message("dtype: must be float32, float16 or bfloat16, got ", c10::toString(dtype)));
  }
}

std::optional<at::ScalarType> parse_dtype(const std::string& name, const std::string& none,
                                          std::initializer_list<at::ScalarType> choices) {
  if (name == none) return std::nullopt;
  std::vector<std::string> names;
  if (!none.empty()) names.push_back(none);
  for (const at::ScalarType dtype : choices) {
    if (name == dtype_name(dtype)) return dtype;
    names.push_back(dtype_name(dtype));
  }
  throw ValueError(message("dtype: must be one of ", listing(names), ", got \"", name, "\""));
}

}  // namespace contlm::io

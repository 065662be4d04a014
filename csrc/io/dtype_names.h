// The names of the dtypes that weights are computed and saved in, as torch and config.json spell them.
#pragma once

#include <initializer_list>
#include <optional>
#include <string>

#include <c10/core/ScalarType.h>

namespace contlm::io {

// "float32", "float16" or "bfloat16".
const char* dtype_name(at::ScalarType dtype);

// The one of `choices` that has this name; nothing for `none`, which stands for "no choice made". ValueError listing
// the names otherwise.
std::optional<at::ScalarType> parse_dtype(const std::string& name, const std::string& none,
                                          std::initializer_list<at::ScalarType> choices);

}  // namespace contlm::io

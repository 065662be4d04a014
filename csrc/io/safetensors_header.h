// The header of a safetensors file: its dtypes, its JSON and what must hold between offsets, shapes and the file's
// size.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <c10/core/ScalarType.h>

namespace contlm::io {

// The format's bound on the header's length.
inline constexpr std::uint64_t kMaxHeaderBytes = 100'000'000;

struct StoredDtype {
  const char* name;
  std::uint64_t bits;                   // of one element
  std::optional<at::ScalarType> torch;  // nothing: no torch tensor can hold it
  int order;                            // by alignment; files list tensors in descending order
};
const StoredDtype* find_dtype(std::string_view name);  // nullptr when the format has none
const StoredDtype* find_dtype(at::ScalarType dtype);   // likewise

struct StoredTensor {
  std::string name;
  const StoredDtype* dtype;
  std::vector<std::uint64_t> shape;  // may exceed what torch can index when another dimension is zero
  std::uint64_t begin, end;          // bytes, counted from the end of the header
};

// Every tensor of the header, by offset. CheckpointError, opening with `where`, unless the `safetensors` package
// accepts a file of this header followed by `data_bytes` of data.
std::vector<StoredTensor> parse_safetensors_header(std::string_view header, std::uint64_t data_bytes,
                                                   const std::string& where);

}  // namespace contlm::io

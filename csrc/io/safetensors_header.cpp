// The package reads the header with Rust's serde, whose reading of JSON differs from a plain one in ways that decide
// which files are valid, and which this file follows: a repeated tensor name is legal and the last one counts, but each
// must be well-formed; a repeated field of one tensor, or a repeated "__metadata__", is an error; unknown fields are
// skipped; a tensor may be an array of its three fields; a dtype may be an object {"F32": null}; 127 levels may nest;
// "-0" is not an integer.
#include "io/safetensors_header.h"

#include <algorithm>
#include <array>
#include <map>
#include <stdexcept>
#include <utility>

#include <nlohmann/json.hpp>

#include "common/error.h"
#include "io/json.h"
#include "io/listing.h"

namespace contlm::io {
namespace {

constexpr std::array<StoredDtype, 22> kDtypes = {{
    {"BOOL", 8, at::ScalarType::Bool, 0},
    {"F4", 4, std::nullopt, 1},
    {"F6_E2M3", 6, std::nullopt, 2},
    {"F6_E3M2", 6, std::nullopt, 3},
    {"U8", 8, at::ScalarType::Byte, 4},
    {"I8", 8, at::ScalarType::Char, 5},
    {"F8_E5M2", 8, at::ScalarType::Float8_e5m2, 6},
    {"F8_E4M3", 8, at::ScalarType::Float8_e4m3fn, 7},
    {"F8_E8M0", 8, at::ScalarType::Float8_e8m0fnu, 8},
    {"F8_E4M3FNUZ", 8, at::ScalarType::Float8_e4m3fnuz, 9},
    {"F8_E5M2FNUZ", 8, at::ScalarType::Float8_e5m2fnuz, 10},
    {"I16", 16, at::ScalarType::Short, 11},
    {"U16", 16, at::ScalarType::UInt16, 12},
    {"F16", 16, at::ScalarType::Half, 13},
    {"BF16", 16, at::ScalarType::BFloat16, 14},
    {"I32", 32, at::ScalarType::Int, 15},
    {"U32", 32, at::ScalarType::UInt32, 16},
    {"F32", 32, at::ScalarType::Float, 17},
    {"C64", 64, at::ScalarType::ComplexFloat, 18},
    {"F64", 64, at::ScalarType::Double, 19},
    {"I64", 64, at::ScalarType::Long, 20},
    {"U64", 64, at::ScalarType::UInt64, 21},
}};

// An object that keeps repeated keys, each with its value, in the text's order.
template <typename Key, typename Value, typename Less, typename Allocator>
struct EveryMember : nlohmann::ordered_map<Key, Value, Less, Allocator> {
  using nlohmann::ordered_map<Key, Value, Less, Allocator>::ordered_map;
  Value& operator[](const Key& key) {
    this->emplace_back(key, Value());
    return this->back().second;
  }
};
using Json = nlohmann::basic_json<EveryMember>;
using Members = Json::object_t;

// What is wrong with the header; the file's name is added once, where it is caught.
struct Fault : std::runtime_error {
  using std::runtime_error::runtime_error;
};

const Members& members(const Json& node, const std::string& what, const char* type) {
  CONTLM_CHECK(node.is_object(), Fault, what, " must be ", type);
  return node.get_ref<const Members&>();
}

const StoredDtype* decode_dtype(const Json& node, const std::string& what) {
  const bool is_variant = node.is_object() && node.size() == 1 && node.front().is_null();
  CONTLM_CHECK(node.is_string() || is_variant, Fault, what, ": dtype must be a string");
  const std::string name = is_variant ? node.get_ref<const Members&>().front().first : node.get<std::string>();
  const StoredDtype* dtype = find_dtype(name);
  CONTLM_CHECK(dtype != nullptr, Fault, what, ": dtype must be one of the format's, got \"", name, "\"");
  return dtype;
}

std::vector<std::uint64_t> decode_numbers(const Json& node, const std::string& what) {
  const bool fits = node.is_array() &&
                    std::all_of(node.begin(), node.end(), [](const Json& item) { return item.is_number_unsigned(); });
  CONTLM_CHECK(fits, Fault, what, " must be an array of integers of at least 0");
  return node.get<std::vector<std::uint64_t>>();
}

StoredTensor decode_tensor(const std::string& name, const Json& node) {
  const std::string what = "tensor \"" + name + "\"";
  constexpr std::array<const char*, 3> kFields = {"dtype", "shape", "data_offsets"};
  std::array<const Json*, 3> fields{};
  if (node.is_array()) {
    CONTLM_CHECK(node.size() == 3, Fault, what, " must have 3 fields, got ", node.size());
    for (std::size_t i = 0; i < 3; ++i) fields[i] = &node[i];
  } else {
    for (const auto& [key, value] : members(node, what, "an object")) {
      const auto field = std::find(kFields.begin(), kFields.end(), key);
      if (field == kFields.end()) continue;
      const Json*& slot = fields[static_cast<std::size_t>(field - kFields.begin())];
      CONTLM_CHECK(slot == nullptr, Fault, what, ": \"", key, "\" must stand once, it is repeated");
      slot = &value;
    }
  }
  for (std::size_t i = 0; i < 3; ++i)
    CONTLM_CHECK(fields[i] != nullptr, Fault, what, " must have a \"", kFields[i], "\", it has none");
  const std::vector<std::uint64_t> offsets = decode_numbers(*fields[2], what + ": data_offsets");
  CONTLM_CHECK(offsets.size() == 2, Fault, what, ": data_offsets must be [begin, end], got ", offsets.size(),
               " numbers");
  return {name, decode_dtype(*fields[0], what), decode_numbers(*fields[1], what + ": shape"), offsets[0], offsets[1]};
}

void check_metadata(const Json& metadata) {
  if (metadata.is_null()) return;
  for (const auto& [key, text] : members(metadata, "\"__metadata__\"", "an object"))
    CONTLM_CHECK(text.is_string(), Fault, "\"__metadata__\": \"", key, "\" must be a string");
}

std::vector<StoredTensor> decode_header(const Json& root) {
  std::map<std::string, StoredTensor> tensors;
  bool has_metadata = false;
  for (const auto& [name, value] : members(root, "the header", "a JSON object")) {
    if (name != "__metadata__") {
      tensors.insert_or_assign(name, decode_tensor(name, value));
      continue;
    }
    CONTLM_CHECK(!std::exchange(has_metadata, true), Fault, "\"__metadata__\" must stand once, it is repeated");
    check_metadata(value);
  }
  std::vector<StoredTensor> by_offset;
  for (auto& [name, tensor] : tensors) by_offset.push_back(std::move(tensor));
  std::stable_sort(by_offset.begin(), by_offset.end(), [](const StoredTensor& a, const StoredTensor& b) {
    return std::pair(a.begin, a.end) < std::pair(b.begin, b.end);
  });
  return by_offset;
}

// Multiplies in the shape's order, as the package does: a zero after an overflow does not heal it.
std::uint64_t count_bytes(const StoredTensor& tensor) {
  std::uint64_t bits = 1;
  bool fits = true;
  for (const std::uint64_t size : tensor.shape) fits = fits && !__builtin_mul_overflow(bits, size, &bits);
  fits = fits && !__builtin_mul_overflow(bits, tensor.dtype->bits, &bits);
  CONTLM_CHECK(fits, Fault, "tensor \"", tensor.name, "\": the size of ", tensor.dtype->name, " ",
               shape_text(tensor.shape), " must fit in 64 bits");
  CONTLM_CHECK(bits % 8 == 0, Fault, "tensor \"", tensor.name, "\": ", tensor.dtype->name, " ",
               shape_text(tensor.shape), " must end at a byte");
  return bits / 8;
}

void check_layout(const std::vector<StoredTensor>& tensors, std::uint64_t data_bytes) {
  std::uint64_t position = 0;
  for (const StoredTensor& tensor : tensors) {
    CONTLM_CHECK(tensor.begin == position && tensor.end >= tensor.begin, Fault, "tensor \"", tensor.name,
                 "\": data_offsets must begin at ", position, ", where the tensor before it ends, got [", tensor.begin,
                 ", ", tensor.end, "]");
    const std::uint64_t bytes = count_bytes(tensor);
    CONTLM_CHECK(tensor.end - tensor.begin == bytes, Fault, "tensor \"", tensor.name, "\": data_offsets must span ",
                 bytes, " bytes for ", tensor.dtype->name, " ", shape_text(tensor.shape), ", got [", tensor.begin, ", ",
                 tensor.end, "]");
    position = tensor.end;
  }
  CONTLM_CHECK(position == data_bytes, Fault, "the tensors must cover the data exactly: they take ", position,
               " bytes, the file has ", data_bytes, " after its header");
}

}  // namespace

const StoredDtype* find_dtype(std::string_view name) {
  const auto found =
      std::find_if(kDtypes.begin(), kDtypes.end(), [&](const auto& dtype) { return dtype.name == name; });
  return found == kDtypes.end() ? nullptr : &*found;
}

const StoredDtype* find_dtype(at::ScalarType type) {
  const auto found =
      std::find_if(kDtypes.begin(), kDtypes.end(), [&](const auto& dtype) { return dtype.torch == type; });
  return found == kDtypes.end() ? nullptr : &*found;
}

std::vector<StoredTensor> parse_safetensors_header(std::string_view header, std::uint64_t data_bytes,
                                                   const std::string& where) {
  try {
    // nlohmann would skip a byte-order mark and take a NUL for the end of the text; neither is JSON.
    const bool is_text = header.find('\0') == std::string_view::npos && !header.starts_with("\xEF\xBB\xBF");
    const Json root = is_text ? parse_json<Json>(header) : Json(Json::value_t::discarded);
    CONTLM_CHECK(!root.is_discarded(), Fault, "the header must be JSON of at most ", kMaxJsonDepth, " levels");
    std::vector<StoredTensor> tensors = decode_header(root);
    check_layout(tensors, data_bytes);
    return tensors;
  } catch (const Fault& fault) {
    throw CheckpointError(
        message(where, ": not a valid safetensors file: ", fault.what(), "; download or save the file again"));
  }
}

}  // namespace contlm::io

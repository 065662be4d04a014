// The package reads the header with Rust's serde, whose reading of JSON differs from a plain one in ways that decide
// which files are valid, and which this file follows: a repeated tensor name is legal and the last one counts, but each
// must be well-formed; a repeated field of one tensor, or a repeated "__metadata__", is an error; unknown fields are
// skipped; a tensor may be an array of its three fields; a dtype may be an object {"F32": null}; 127 levels may nest;
// "-0" is not an integer.
#include "io/safetensors_header.h"

#include <algorithm>
#include <array>
#include <limits>
#include <unordered_map>
#include <utility>
#include <variant>

#include <nlohmann/json.hpp>

#include "common/error.h"
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

constexpr std::size_t kMaxDepth = 127;

// JSON with its repeated keys kept. Booleans, negative numbers and fractions are valid nowhere that is read, so they
// carry no value.
struct Node;
struct Null {};
struct Other {};
using Array = std::vector<Node>;
using Object = std::vector<std::pair<std::string, Node>>;
struct Node {
  std::variant<Null, Other, std::uint64_t, std::string, Array, Object> value;
};

class TreeBuilder : public nlohmann::json_sax<nlohmann::json> {
 public:
  Node root;
  std::string fault;

  bool null() override { return place({Null{}}); }
  bool boolean(bool) override { return place({Other{}}); }
  bool number_integer(number_integer_t) override { return place({Other{}}); }
  bool number_unsigned(number_unsigned_t value) override { return place({std::uint64_t{value}}); }
  bool number_float(number_float_t, const string_t&) override { return place({Other{}}); }
  bool string(string_t& value) override { return place({std::move(value)}); }
  bool binary(binary_t&) override { return false; }
  bool start_object(std::size_t) override { return open({Object{}}); }
  bool start_array(std::size_t) override { return open({Array{}}); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }
  bool key(string_t& name) override {
    std::get<Object>(open_.back()->value).emplace_back(std::move(name), Node{});
    return true;
  }
  // The parser's own text may quote half a character, which is no text for a message.
  bool parse_error(std::size_t position, const std::string&, const nlohmann::detail::exception&) override {
    fault = message("it goes wrong at byte ", position);
    return false;
  }

 private:
  Node* put(Node node) {
    if (open_.empty()) {
      root = std::move(node);
      return &root;
    }
    if (Array* array = std::get_if<Array>(&open_.back()->value)) return &array->emplace_back(std::move(node));
    Node& member = std::get<Object>(open_.back()->value).back().second;
    member = std::move(node);
    return &member;
  }
  bool place(Node node) {
    put(std::move(node));
    return true;
  }
  bool open(Node node) {
    if (open_.size() == kMaxDepth) {
      fault = message("more than ", kMaxDepth, " levels nest");
      return false;
    }
    // Only the innermost container grows, so the pointers to those around it stay good.
    open_.push_back(put(std::move(node)));
    return true;
  }
  bool close() {
    open_.pop_back();
    return true;
  }
  std::vector<Node*> open_;
};

// What is wrong with the header; the file's name is added once, where it is caught.
struct Fault {
  std::string text;
};
#define HEADER_CHECK(condition, ...)     \
  do {                                   \
    if (!(condition)) [[unlikely]]       \
      throw Fault{message(__VA_ARGS__)}; \
  } while (false)

template <typename T>
const T& expect(const Node& node, const std::string& what, const char* type) {
  const T* value = std::get_if<T>(&node.value);
  HEADER_CHECK(value != nullptr, what, " must be ", type);
  return *value;
}

const StoredDtype* decode_dtype(const Node& node, const std::string& what) {
  const std::string* name = std::get_if<std::string>(&node.value);
  if (const Object* variant = std::get_if<Object>(&node.value);
      variant != nullptr && variant->size() == 1 && std::holds_alternative<Null>(variant->front().second.value)) {
    name = &variant->front().first;
  }
  HEADER_CHECK(name != nullptr, what, ": dtype must be a string");
  const StoredDtype* dtype = find_dtype(*name);
  HEADER_CHECK(dtype != nullptr, what, ": dtype must be one of the format's, got \"", *name, "\"");
  return dtype;
}

std::vector<std::uint64_t> decode_numbers(const Node& node, const std::string& what) {
  std::vector<std::uint64_t> numbers;
  for (const Node& item : expect<Array>(node, what, "an array")) {
    numbers.push_back(expect<std::uint64_t>(item, what, "an array of integers of at least 0"));
  }
  return numbers;
}

StoredTensor decode_tensor(const std::string& name, const Node& node) {
  const std::string what = "tensor \"" + name + "\"";
  std::array<const Node*, 3> fields{};
  constexpr std::array<const char*, 3> kFields = {"dtype", "shape", "data_offsets"};
  if (const Array* positional = std::get_if<Array>(&node.value)) {
    HEADER_CHECK(positional->size() == 3, what, " must have 3 fields, got ", positional->size());
    for (std::size_t i = 0; i < 3; ++i) fields[i] = &(*positional)[i];
  } else {
    for (const auto& [key, value] : expect<Object>(node, what, "an object")) {
      const auto field = std::find(kFields.begin(), kFields.end(), key);
      if (field == kFields.end()) continue;
      const Node*& slot = fields[static_cast<std::size_t>(field - kFields.begin())];
      HEADER_CHECK(slot == nullptr, what, ": \"", key, "\" must stand once, it is repeated");
      slot = &value;
    }
  }
  for (std::size_t i = 0; i < 3; ++i)
    HEADER_CHECK(fields[i] != nullptr, what, " must have a \"", kFields[i], "\", it has none");
  const std::vector<std::uint64_t> offsets = decode_numbers(*fields[2], what + ": data_offsets");
  HEADER_CHECK(offsets.size() == 2, what, ": data_offsets must be [begin, end], got ", offsets.size(), " numbers");
  return {name, decode_dtype(*fields[0], what), decode_numbers(*fields[1], what + ": shape"), offsets[0], offsets[1]};
}

std::vector<StoredTensor> decode_header(const Node& root) {
  std::vector<StoredTensor> tensors;
  std::unordered_map<std::string, std::size_t> places;
  bool has_metadata = false;
  for (const auto& [name, value] : expect<Object>(root, "the header", "a JSON object")) {
    if (name == "__metadata__") {
      HEADER_CHECK(!std::exchange(has_metadata, true), "\"__metadata__\" must stand once, it is repeated");
      if (std::holds_alternative<Null>(value.value)) continue;
      for (const auto& [key, text] : expect<Object>(value, "\"__metadata__\"", "an object")) {
        expect<std::string>(text, "\"__metadata__\": \"" + key + "\"", "a string");
      }
      continue;
    }
    StoredTensor tensor = decode_tensor(name, value);
    const auto [place, is_new] = places.try_emplace(name, tensors.size());
    if (is_new) {
      tensors.push_back(std::move(tensor));
    } else {
      tensors[place->second] = std::move(tensor);
    }
  }
  return tensors;
}

// Multiplies in the shape's order, as the package does: a zero after an overflow does not heal it.
std::uint64_t count_bytes(const StoredTensor& tensor) {
  std::uint64_t bits = 1;
  bool fits = true;
  for (const std::uint64_t size : tensor.shape) fits = fits && !__builtin_mul_overflow(bits, size, &bits);
  fits = fits && !__builtin_mul_overflow(bits, tensor.dtype->bits, &bits);
  HEADER_CHECK(fits, "tensor \"", tensor.name, "\": the size of ", tensor.dtype->name, " ", shape_text(tensor.shape),
               " must fit in 64 bits");
  HEADER_CHECK(bits % 8 == 0, "tensor \"", tensor.name, "\": ", tensor.dtype->name, " ", shape_text(tensor.shape),
               " must end at a byte");
  return bits / 8;
}

void check_layout(const std::vector<StoredTensor>& tensors, std::uint64_t data_bytes) {
  std::uint64_t position = 0;
  for (const StoredTensor& tensor : tensors) {
    HEADER_CHECK(tensor.begin == position && tensor.end >= tensor.begin, "tensor \"", tensor.name,
                 "\": data_offsets must begin at ", position, ", where the tensor before it ends, got [", tensor.begin,
                 ", ", tensor.end, "]");
    const std::uint64_t bytes = count_bytes(tensor);
    HEADER_CHECK(tensor.end - tensor.begin == bytes, "tensor \"", tensor.name, "\": data_offsets must span ", bytes,
                 " bytes for ", tensor.dtype->name, " ", shape_text(tensor.shape), ", got [", tensor.begin, ", ",
                 tensor.end, "]");
    position = tensor.end;
  }
  HEADER_CHECK(position == data_bytes, "the tensors must cover the data exactly: they take ", position,
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
    HEADER_CHECK(header.find('\0') == std::string_view::npos, "the header must be JSON, it holds a NUL byte");
    HEADER_CHECK(!header.starts_with("\xEF\xBB\xBF"), "the header must be JSON, it begins with a byte-order mark");
    TreeBuilder builder;
    const bool parsed = nlohmann::json::sax_parse(header.begin(), header.end(), &builder);
    HEADER_CHECK(parsed, "the header must be JSON: ", builder.fault);
    std::vector<StoredTensor> tensors = decode_header(builder.root);
    std::sort(tensors.begin(), tensors.end(), [](const StoredTensor& a, const StoredTensor& b) {
      return std::pair(a.begin, a.end) < std::pair(b.begin, b.end);
    });
    check_layout(tensors, data_bytes);
    return tensors;
  } catch (const Fault& fault) {
    throw CheckpointError(
        message(where, ": not a valid safetensors file: ", fault.text, "; download or save the file again"));
  }
}

}  // namespace contlm::io

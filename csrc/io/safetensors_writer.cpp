#include <algorithm>
#include <set>

#include <ATen/ops/empty.h>
#include <nlohmann/json.hpp>

#include "common/error.h"
#include "io/files.h"
#include "io/listing.h"
#include "io/safetensors.h"
#include "io/safetensors_header.h"

namespace contlm::io {
namespace {

const StoredDtype& dtype_of(const TensorSpec& spec, const std::string& where) {
  const StoredDtype* dtype = find_dtype(spec.info.dtype);
  CONTLM_CHECK(dtype != nullptr, ValueError, where, ": tensor \"", spec.name,
               "\" must be of a dtype that safetensors has, got ", c10::toString(spec.info.dtype),
               "; convert it first");
  return *dtype;
}

std::uint64_t bytes_of(const TensorSpec& spec, const StoredDtype& dtype) {
  std::uint64_t bytes = dtype.bits / 8;
  for (const std::int64_t size : spec.info.shape) bytes *= static_cast<std::uint64_t>(size);
  return bytes;
}

// The eight bytes of the length, and the header padded with spaces so that the data begins at a multiple of 8.
std::string encode_header(const std::vector<TensorSpec>& specs, const Metadata& metadata, const std::string& where) {
  nlohmann::ordered_json header = nlohmann::ordered_json::object();
  if (!metadata.empty()) header["__metadata__"] = metadata;
  std::set<std::string> seen = {"__metadata__"};
  std::uint64_t position = 0;
  std::string text;
  for (const TensorSpec& spec : specs) {
    CONTLM_CHECK(seen.insert(spec.name).second, ValueError, where, ": every tensor must have a name of its own, \"",
                 spec.name, "\" is repeated or reserved; rename it");
    const StoredDtype& dtype = dtype_of(spec, where);
    const std::uint64_t end = position + bytes_of(spec, dtype);
    nlohmann::ordered_json tensor;
    tensor["dtype"] = dtype.name;
    tensor["shape"] = spec.info.shape;
    tensor["data_offsets"] = {position, end};
    if (!text.empty()) text += ',';
    text.append(nlohmann::ordered_json(spec.name).dump()).append(":").append(tensor.dump());
    position = end;
  }
  std::string opening = header.dump();
  opening.pop_back();
  if (!metadata.empty() && !text.empty()) opening += ",";
  text.insert(0, opening).append("}");
  text.append((8 - text.size() % 8) % 8, ' ');
  CONTLM_CHECK(text.size() <= kMaxHeaderBytes, ValueError, where, ": the header must be at most ", kMaxHeaderBytes,
               " bytes, got ", text.size(), "; write several files");
  const std::uint64_t size = text.size();
  return std::string(reinterpret_cast<const char*>(&size), 8) + text;
}

}  // namespace

void write_safetensors_to(AtomicFile& out, const std::string& where, const std::vector<TensorSpec>& specs,
                          const std::function<at::Tensor(std::size_t)>& produce, const Metadata& metadata) {
  const std::string header = encode_header(specs, metadata, where);
  out.write(header.data(), header.size());
  for (std::size_t i = 0; i < specs.size(); ++i) {
    const at::Tensor tensor = produce(i).to(at::kCPU).contiguous();
    CONTLM_CHECK(tensor.scalar_type() == specs[i].info.dtype && tensor.sizes() == at::IntArrayRef(specs[i].info.shape),
                 ValueError, where, ": tensor \"", specs[i].name, "\" must be ", c10::toString(specs[i].info.dtype),
                 " ", shape_text(specs[i].info.shape), " as announced, got ", c10::toString(tensor.scalar_type()), " ",
                 shape_text(tensor.sizes()), "; announce what is produced");
    if (tensor.numel() > 0) out.write(tensor.const_data_ptr(), tensor.nbytes());
  }
}

void write_safetensors(const std::filesystem::path& file, const std::vector<TensorSpec>& specs,
                       const std::function<at::Tensor(std::size_t)>& produce, const Metadata& metadata) {
  AtomicFile out(file);
  write_safetensors_to(out, file.string(), specs, produce, metadata);
  out.commit();
}

std::vector<TensorSpec> specs_of(const std::map<std::string, at::Tensor>& tensors) {
  std::vector<TensorSpec> specs;
  for (const auto& [name, tensor] : tensors) specs.push_back({name, {tensor.scalar_type(), tensor.sizes().vec()}});
  std::stable_sort(specs.begin(), specs.end(), [](const TensorSpec& a, const TensorSpec& b) {
    const StoredDtype* left = find_dtype(a.info.dtype);
    const StoredDtype* right = find_dtype(b.info.dtype);
    return (left ? left->order : -1) > (right ? right->order : -1);
  });
  return specs;
}

void write_safetensors(const std::filesystem::path& file, const std::map<std::string, at::Tensor>& tensors,
                       const Metadata& metadata) {
  const std::vector<TensorSpec> specs = specs_of(tensors);
  write_safetensors(file, specs, [&](std::size_t i) { return tensors.at(specs[i].name); }, metadata);
}

}  // namespace contlm::io

// Reading and writing safetensors files. Reading is by mmap: a tensor is a view of the mapped file that keeps the
// mapping alive, and nothing is copied. The verdict on a file equals the `safetensors` package's. A file that changes
// or is truncated after it was opened is a CheckpointError at the next `tensor()`, not a crash: every access first
// compares the file's size and modification time with what was mapped.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <ATen/core/Tensor.h>

namespace contlm::io {

struct TensorInfo {
  at::ScalarType dtype;
  std::vector<std::int64_t> shape;
};

// Named tensors, wherever they lie: one file, the shards under an index, or tensors that the caller holds.
class TensorSource {
 public:
  virtual ~TensorSource() = default;
  virtual std::vector<std::string> names() const = 0;  // sorted
  virtual bool contains(const std::string& name) const = 0;
  virtual TensorInfo info(const std::string& name) const = 0;  // CheckpointError when there is none
  // A view, copied only where the file holds it misaligned for its dtype; CheckpointError likewise.
  virtual at::Tensor tensor(const std::string& name) const = 0;
  virtual std::string where() const = 0;  // the file or folder, for messages
};

// One safetensors file. FileNotFound, or CheckpointError naming the file and the fault.
std::shared_ptr<const TensorSource> open_safetensors(const std::filesystem::path& file);

// A HuggingFace model folder: model.safetensors, or the shards that model.safetensors.index.json names. A folder that
// holds only pytorch_model.bin is refused with the way to convert it.
std::shared_ptr<const TensorSource> open_checkpoint(const std::filesystem::path& directory);

// Tensors in memory; the source keeps references, so later in-place changes by their owner show through.
std::shared_ptr<const TensorSource> from_tensors(std::map<std::string, at::Tensor> tensors, std::string where);

using Metadata = std::map<std::string, std::string>;

// Writes `specs` in order, taking each tensor from produce(i) only when its turn has come, so that one tensor at a time
// is in memory. The file is written beside its final name, flushed and renamed: a failure leaves no file (IoError names
// it).
struct TensorSpec {
  std::string name;
  TensorInfo info;
};
void write_safetensors(const std::filesystem::path& file, const std::vector<TensorSpec>& specs,
                       const std::function<at::Tensor(std::size_t)>& produce,
                       const Metadata& metadata = {{"format", "pt"}});

// The same from tensors that are all at hand, in the order that the `safetensors` package writes: by dtype from the
// widest alignment down, then by name.
void write_safetensors(const std::filesystem::path& file, const std::map<std::string, at::Tensor>& tensors,
                       const Metadata& metadata = {{"format", "pt"}});

// For writers that commit several files together: the same bytes into a file that the caller commits.
class AtomicFile;
std::vector<TensorSpec> specs_of(const std::map<std::string, at::Tensor>& tensors);
void write_safetensors_to(AtomicFile& out, const std::string& where, const std::vector<TensorSpec>& specs,
                          const std::function<at::Tensor(std::size_t)>& produce, const Metadata& metadata);

// The same for a text file (a config): written beside and renamed.
void write_text(const std::filesystem::path& file, const std::string& text);

}  // namespace contlm::io

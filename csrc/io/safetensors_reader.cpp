#include <bit>
#include <cstring>
#include <limits>

#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>

#include "common/error.h"
#include "io/listing.h"
#include "io/mapped_file.h"
#include "io/safetensors.h"
#include "io/safetensors_header.h"

namespace contlm::io {
namespace {

static_assert(std::endian::native == std::endian::little,
              "safetensors data is little-endian and is viewed, not converted");

class SafetensorsFile final : public TensorSource {
 public:
  explicit SafetensorsFile(const std::filesystem::path& path) : file_(std::make_shared<MappedFile>(path)) {
    CONTLM_CHECK(file_->size() >= 8, CheckpointError, where(),
                 ": not a valid safetensors file: it must hold at least 8 bytes, got ", file_->size(),
                 "; download or save the file again");
    std::uint64_t header_bytes = 0;
    std::memcpy(&header_bytes, file_->read(0, 8).data(), 8);
    const std::uint64_t room = file_->size() - 8;
    CONTLM_CHECK(header_bytes <= kMaxHeaderBytes && header_bytes <= room, CheckpointError, where(),
                 ": not a valid safetensors file: the header must be at most ", std::min(kMaxHeaderBytes, room),
                 " bytes, the file declares ", header_bytes, "; download or save the file again");
    data_begin_ = 8 + header_bytes;
    for (StoredTensor& tensor : parse_safetensors_header(file_->read(8, header_bytes), room - header_bytes, where())) {
      std::string name = tensor.name;
      tensors_.emplace(std::move(name), std::move(tensor));
    }
  }

  std::vector<std::string> names() const override { return keys_of(tensors_); }
  bool contains(const std::string& name) const override { return tensors_.contains(name); }
  std::string where() const override { return file_->where(); }
  TensorInfo info(const std::string& name) const override { return info(find(name)); }

  at::Tensor tensor(const std::string& name) const override {
    const StoredTensor& stored = find(name);
    const TensorInfo wanted = info(stored);
    file_->check_unchanged();
    const std::uint64_t bytes = stored.end - stored.begin;
    if (bytes == 0) return at::empty(wanted.shape, wanted.dtype);
    std::byte* data = file_->data() + data_begin_ + stored.begin;
    // The format does not promise alignment, and kernels read elements through typed pointers.
    if (reinterpret_cast<std::uintptr_t>(data) % (stored.dtype->bits / 8) != 0) {
      at::Tensor copy = at::empty(wanted.shape, wanted.dtype);
      std::memcpy(copy.mutable_data_ptr(), data, bytes);
      return copy;
    }
    return at::from_blob(data, wanted.shape, [file = file_](void*) {}, at::TensorOptions(wanted.dtype));
  }

 private:
  const StoredTensor& find(const std::string& name) const {
    const auto found = tensors_.find(name);
    CONTLM_CHECK(found != tensors_.end(), CheckpointError, where(), ": tensor \"", name,
                 "\" must be there, the file has none of that name among its ", tensors_.size(),
                 "; check that the file belongs to this model");
    return found->second;
  }
  TensorInfo info(const StoredTensor& stored) const {
    CONTLM_CHECK(stored.dtype->torch.has_value(), CheckpointError, where(), ": tensor \"", stored.name,
                 "\" must be of a dtype that torch can hold, got ", stored.dtype->name,
                 "; convert it to a wider dtype first");
    TensorInfo info{*stored.dtype->torch, {}};
    for (const std::uint64_t size : stored.shape) {
      CONTLM_CHECK(size <= std::numeric_limits<std::int64_t>::max(), CheckpointError, where(), ": tensor \"",
                   stored.name, "\": every dimension must be less than 2^63, got shape ", shape_text(stored.shape),
                   "; save it again");
      info.shape.push_back(static_cast<std::int64_t>(size));
    }
    return info;
  }

  std::shared_ptr<MappedFile> file_;
  std::uint64_t data_begin_ = 0;
  std::map<std::string, StoredTensor> tensors_;
};

}  // namespace

std::shared_ptr<const TensorSource> open_safetensors(const std::filesystem::path& file) {
  return std::make_shared<SafetensorsFile>(file);
}

}  // namespace contlm::io

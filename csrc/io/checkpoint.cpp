// Sources that are not one file: the shards of a checkpoint folder, and tensors in memory.
#include "common/error.h"
#include "io/files.h"
#include "io/json.h"
#include "io/listing.h"
#include "io/safetensors.h"

namespace contlm::io {
namespace {

namespace fs = std::filesystem;

// A path that may not be looked at counts as there: opening it then says why it cannot be read.
bool is_there(const fs::path& path) {
  std::error_code error;
  return fs::status(path, error).type() != fs::file_type::not_found;
}

class ShardedCheckpoint final : public TensorSource {
 public:
  explicit ShardedCheckpoint(const fs::path& index) : index_(index) {
    std::map<std::string, std::shared_ptr<const TensorSource>> shards;
    for (const auto& [name, file] : read_weight_map()) {
      std::shared_ptr<const TensorSource>& shard = shards[file];
      if (!shard) shard = open_shard(file);
      CONTLM_CHECK(shard->contains(name), CheckpointError, where(), ": weight_map: tensor \"", name, "\" must be in ",
                   file, ", which has none of that name; download the checkpoint again");
      tensors_.emplace(name, shard);
    }
  }

  std::vector<std::string> names() const override { return keys_of(tensors_); }
  bool contains(const std::string& name) const override { return tensors_.contains(name); }
  TensorInfo info(const std::string& name) const override { return shard(name).info(name); }
  at::Tensor tensor(const std::string& name) const override { return shard(name).tensor(name); }
  std::string where() const override { return index_.string(); }

 private:
  std::map<std::string, std::string> read_weight_map() const {
    const nlohmann::json index = parse_json<nlohmann::json>(read_text(index_));
    CONTLM_CHECK(index.is_object() && index.contains("weight_map") && index["weight_map"].is_object(), CheckpointError,
                 where(), ": must be a JSON object with an object \"weight_map\", got ",
                 index.is_discarded() ? kNotJson : "something else", "; download the checkpoint again");
    std::map<std::string, std::string> files;
    for (const auto& [name, file] : index["weight_map"].items()) {
      CONTLM_CHECK(file.is_string(), CheckpointError, where(), ": weight_map: \"", name, "\" must name a file, got ",
                   file.type_name(), "; download the checkpoint again");
      files.emplace(name, file.get<std::string>());
    }
    CONTLM_CHECK(!files.empty(), CheckpointError, where(),
                 ": weight_map must name at least one tensor, it is empty; download the checkpoint again");
    return files;
  }

  std::shared_ptr<const TensorSource> open_shard(const std::string& file) const {
    const fs::path relative = fs::path(file).lexically_normal();
    const bool inside = !relative.empty() && relative.is_relative() && *relative.begin() != "..";
    CONTLM_CHECK(inside, CheckpointError, where(),
                 ": weight_map: every file must lie in the index's own folder, got \"", file,
                 "\"; do not load a checkpoint that points elsewhere");
    const fs::path path = index_.parent_path() / relative;
    CONTLM_CHECK(is_there(path), FileNotFound, path.string(), ": this shard must be there, ", where(),
                 " names it and there is none; download it");
    return open_safetensors(path);
  }

  const TensorSource& shard(const std::string& name) const {
    const auto found = tensors_.find(name);
    CONTLM_CHECK(found != tensors_.end(), CheckpointError, where(), ": tensor \"", name,
                 "\" must be there, the index has none of that name among its ", tensors_.size(),
                 "; check that the checkpoint belongs to this model");
    return *found->second;
  }

  fs::path index_;
  std::map<std::string, std::shared_ptr<const TensorSource>> tensors_;
};

class TensorsInMemory final : public TensorSource {
 public:
  TensorsInMemory(std::map<std::string, at::Tensor> tensors, std::string where)
      : tensors_(std::move(tensors)), where_(std::move(where)) {}

  std::vector<std::string> names() const override { return keys_of(tensors_); }
  bool contains(const std::string& name) const override { return tensors_.contains(name); }
  TensorInfo info(const std::string& name) const override {
    const at::Tensor& found = find(name);
    return {found.scalar_type(), found.sizes().vec()};
  }
  at::Tensor tensor(const std::string& name) const override { return find(name); }
  std::string where() const override { return where_; }

 private:
  const at::Tensor& find(const std::string& name) const {
    const auto found = tensors_.find(name);
    CONTLM_CHECK(found != tensors_.end(), CheckpointError, where_, ": tensor \"", name,
                 "\" must be there, none of the ", tensors_.size(),
                 " tensors given has that name; check the model they come from");
    return found->second;
  }

  std::map<std::string, at::Tensor> tensors_;
  std::string where_;
};

}  // namespace

std::shared_ptr<const TensorSource> open_checkpoint(const fs::path& directory) {
  std::error_code error;
  CONTLM_CHECK(fs::is_directory(directory, error), FileNotFound, directory.string(),
               ": must be a folder that holds a checkpoint, ", is_there(directory) ? "it is a file" : "there is none",
               "; give the model's folder");
  const fs::path single = directory / "model.safetensors";
  if (is_there(single)) return open_safetensors(single);
  const fs::path index = directory / "model.safetensors.index.json";
  if (is_there(index)) return std::make_shared<ShardedCheckpoint>(index);
  for (const char* pickled : {"pytorch_model.bin", "pytorch_model.bin.index.json"}) {
    CONTLM_CHECK(!is_there(directory / pickled), CheckpointError, (directory / pickled).string(),
                 ": weights must be safetensors, got pickled ones; convert them with transformers: "
                 "AutoModelForCausalLM.from_pretrained(folder).save_pretrained(folder, safe_serialization=True)");
  }
  throw FileNotFound(message(directory.string(),
                             ": must hold model.safetensors or model.safetensors.index.json, it has neither; check "
                             "that the download is complete"));
}

std::shared_ptr<const TensorSource> from_tensors(std::map<std::string, at::Tensor> tensors, std::string where) {
  return std::make_shared<TensorsInMemory>(std::move(tensors), std::move(where));
}

}  // namespace contlm::io

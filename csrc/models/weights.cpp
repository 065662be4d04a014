#include "models/weights.h"

#include "common/error.h"

namespace contlm::models {

std::string Weights::spelled(const std::string& name) const {
  if (source_->contains(name) || prefix_.empty() || name.rfind(prefix_, 0) != 0) return name;
  std::string bare = name.substr(prefix_.size());
  return source_->contains(bare) ? bare : name;
}

at::Tensor Weights::get(const std::string& name, at::IntArrayRef shape) const {
  const std::string key = spelled(name);
  CONTLM_CHECK(source_->contains(key), CheckpointError, source_->where(),
               ": the architecture in config.json needs the tensor \"", name,
               "\", which the checkpoint does not have; check that config.json belongs to these weights");
  const io::TensorInfo info = source_->info(key);
  CONTLM_CHECK(at::IntArrayRef(info.shape) == shape, CheckpointError, source_->where(), ": \"", key,
               "\" must have shape ", shape, " by config.json, got ", at::IntArrayRef(info.shape),
               "; check that config.json belongs to these weights");
  CONTLM_CHECK(
      info.dtype == at::kFloat || info.dtype == at::kBFloat16 || info.dtype == at::kHalf || info.dtype == at::kDouble,
      CheckpointError, source_->where(), ": \"", key, "\" must be float32, bfloat16 or float16, got ", info.dtype,
      "; quantized checkpoints must be dequantized first");
  return source_->tensor(key).detach();
}

}  // namespace contlm::models

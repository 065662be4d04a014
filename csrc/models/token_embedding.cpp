#include "models/token_embedding.h"

namespace contlm::models {

TokenEmbedding::TokenEmbedding(const Weights& weights, std::string name, std::int64_t rows, std::int64_t dim,
                               at::Device device)
    : name_(std::move(name)) {
  const at::Tensor stored = weights.get(name_ + ".weight", {rows, dim});
  table_ = stored.to(device, stored.scalar_type(), /*non_blocking=*/false, /*copy=*/true);
}

at::Tensor TokenEmbedding::forward(const at::Tensor& ids, const lora::AppliedAnchors& anchors) const {
  at::Tensor rows = table_.index_select(0, ids).to(at::kFloat);
  if (!anchors.embeddings || !anchors.coeffs.defined()) return rows;
  const auto bank = anchors.embeddings->find(name_);
  if (bank != anchors.embeddings->end()) bank->second.add_(rows, ids, anchors.coeffs);
  return rows;
}

}  // namespace contlm::models

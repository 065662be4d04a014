#include "models/normalization.h"

#include "ops/norm.h"

namespace contlm::models {

Normalization::Normalization(const Weights& weights, const std::string& name, NormKind kind, std::int64_t dim,
                             double eps, at::Device device)
    : kind_(kind), eps_(eps) {
  const auto own = [&](const std::string& key) {
    return weights.get(key, {dim}).to(device, at::kFloat, /*non_blocking=*/false, /*copy=*/true);
  };
  weight_ = own(name + ".weight");
  if (kind == NormKind::layer) bias_ = own(name + ".bias");
}

at::Tensor Normalization::forward(const at::Tensor& residual, const at::Tensor& y, at::ScalarType dtype) const {
  const std::optional<at::Tensor> addend = y.defined() ? std::optional<at::Tensor>(y) : std::nullopt;
  if (kind_ == NormKind::rms) return ops::residual_rms_norm_(residual, addend, weight_, eps_, dtype);
  return ops::residual_layer_norm_(residual, addend, weight_, bias_, eps_, dtype);
}

void Normalization::forward_heads_(const at::Tensor& x) const { ops::head_rms_norm_(x, weight_, eps_); }

}  // namespace contlm::models

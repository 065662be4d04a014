#include "lora/merge.h"

#include <ATen/Functions.h>
#include <ATen/TensorOperators.h>

#include "ops/linear.h"

namespace contlm::lora {

namespace {

// The factors with a coefficient other than zero, stacked in fp32, the weights c * scaling folded into B.
struct Stacked {
  at::Tensor A;  // [R, in]
  at::Tensor B;  // [out, R]
};

Stacked stack_weighted(const std::vector<AnchorFactors>& factors, const Coefficients& c, at::Device device) {
  std::vector<at::Tensor> A, B;
  for (const AnchorFactors& f : factors) {
    const double weight = c[f.anchor] * f.scaling;
    if (c[f.anchor] == 0) continue;
    A.push_back(f.A.to(device, at::kFloat));
    B.push_back(f.B.to(device, at::kFloat) * weight);
  }
  return {at::cat(A, 0), at::cat(B, 1)};
}

}  // namespace

bool touches(const std::vector<AnchorFactors>& factors, const Coefficients& c) {
  for (const AnchorFactors& f : factors)
    if (c[f.anchor] != 0) return true;
  return false;
}

at::Tensor merge_weight(const at::Tensor& base, const std::vector<AnchorFactors>& factors, const Coefficients& c) {
  const at::Tensor wide = base.to(at::kFloat).contiguous();
  if (!touches(factors, c)) return wide;
  const Stacked stacked = stack_weighted(factors, c, base.device());
  // Read as a linear layer whose rows are B's: B (A^T)^T + W0, one product with the addition fused.
  return ops::packed_linear(stacked.B, ops::pack_linear_weight(stacked.A.t().contiguous()), {}, wide);
}

at::Tensor merge_bias(const at::Tensor& base, const std::vector<AnchorFactors>& factors, const Coefficients& c) {
  at::Tensor bias = base.defined() ? base.to(at::kFloat) : base;
  for (const AnchorFactors& f : factors) {
    if (!f.bias.defined() || c[f.anchor] == 0) continue;
    const at::Tensor delta = f.bias.to(f.bias.device(), at::kFloat) * (c[f.anchor] * f.scaling);
    bias = bias.defined() ? bias + delta.to(bias.device()) : delta;
  }
  return bias;
}

at::Tensor merge_embedding(const at::Tensor& base, const std::vector<AnchorFactors>& factors, const Coefficients& c) {
  const at::Tensor wide = base.to(at::kFloat).contiguous();
  if (!touches(factors, c)) return wide;
  const Stacked stacked = stack_weighted(factors, c, base.device());
  return ops::packed_linear(stacked.A.t().contiguous(), ops::pack_linear_weight(stacked.B), {}, wide);
}

}  // namespace contlm::lora

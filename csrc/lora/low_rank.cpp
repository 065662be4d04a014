#include "lora/low_rank.h"

#include <algorithm>

#include <ATen/Functions.h>
#include <ATen/TensorOperators.h>

#include "common/error.h"
#include "lora/merge.h"

namespace contlm::lora {

at::Tensor gram(const AnchorBank& bank) {
  const std::int64_t K = bank.size();
  at::Tensor total = at::zeros({K, K}, at::kDouble);
  auto g = total.accessor<double, 2>();
  for (const auto& [module, factors] : bank.modules()) {
    for (std::size_t i = 0; i < factors.size(); ++i) {
      for (std::size_t j = 0; j <= i; ++j) {
        const AnchorFactors &a = factors[i], &b = factors[j];
        const at::Tensor outer = at::mm(b.B.to(at::kDouble).t(), a.B.to(at::kDouble));
        const at::Tensor inner = at::mm(a.A.to(at::kDouble), b.A.to(at::kDouble).t());
        const double product = a.scaling * b.scaling * (outer * inner.t()).sum().item<double>();
        g[a.anchor][b.anchor] += product;
        if (i != j) g[b.anchor][a.anchor] += product;
      }
    }
  }
  return total;
}

namespace {

io::LoraFactors truncate(const at::Tensor& A, const at::Tensor& B, std::int64_t rank) {
  const auto [q_out, r_out] = at::linalg_qr(B.to(at::kDouble));
  const auto [q_in, r_in] = at::linalg_qr(A.to(at::kDouble).t());
  const auto [U, S, Vh] = at::linalg_svd(at::mm(r_out, r_in.t()), /*full_matrices=*/false);
  const std::int64_t kept = std::min<std::int64_t>(rank, S.size(0));
  const at::Tensor root = S.slice(0, 0, kept).sqrt();
  io::LoraFactors factors;
  factors.B = (at::mm(q_out, U.slice(1, 0, kept)) * root).to(at::kFloat).contiguous();
  factors.A = (root.unsqueeze(1) * at::mm(Vh.slice(0, 0, kept), q_in.t())).to(at::kFloat).contiguous();
  return factors;
}

}  // namespace

std::map<std::string, io::LoraFactors> combine(const AnchorBank& bank, const Coefficients& c, std::int64_t rank) {
  bank.check(c);
  CONTLM_CHECK(rank >= 0, ValueError, "rank: must be positive, or None for the exact adapter, got ", rank);
  std::map<std::string, io::LoraFactors> combined;
  // What stands at zero is left out, so that it claims no module and no bias; at the base itself zeros stand for all.
  const bool at_base = std::all_of(c.begin(), c.end(), [](double coefficient) { return coefficient == 0; });
  for (const auto& [module, factors] : bank.modules()) {
    std::vector<at::Tensor> A, B;
    bool has_bias = false;
    for (const AnchorFactors& f : factors) {
      if (c[f.anchor] == 0) continue;
      has_bias |= f.bias.defined();
      A.push_back(f.A.to(at::kFloat));
      B.push_back(f.B.to(at::kFloat) * (c[f.anchor] * f.scaling));
    }
    if (A.empty() && !at_base) continue;
    if (A.empty()) {
      A.push_back(at::zeros({1, factors[0].A.size(1)}, at::kFloat));
      B.push_back(at::zeros({factors[0].B.size(0), 1}, at::kFloat));
    }
    io::LoraFactors stacked{at::cat(A, 0), at::cat(B, 1), {}};
    if (rank > 0 && rank < stacked.A.size(0)) stacked = truncate(stacked.A, stacked.B, rank);
    if (has_bias) {
      const at::Tensor zero = at::zeros({stacked.B.size(0)}, at::kFloat);
      stacked.bias = merge_bias(zero, factors, c);
    }
    combined.emplace(module, std::move(stacked));
  }
  return combined;
}

}  // namespace contlm::lora

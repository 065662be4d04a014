#include "lora/packed_bank.h"

#include <algorithm>

#include <ATen/Functions.h>
#include <ATen/TensorOperators.h>

#include "common/error.h"
#include "ops/host_values.h"
#include "ops/linear.h"
#include "ops/lora.h"

namespace contlm::lora {

namespace {

bool contains(const AnchorSet& set, std::int64_t anchor) { return std::binary_search(set.begin(), set.end(), anchor); }

// Factors of one or more modules stacked column by column of u.
struct Columns {
  std::vector<at::Tensor> A, B;
  std::vector<std::int32_t> anchor;
  std::vector<float> scaling;

  void add(const AnchorFactors& factors) {
    A.push_back(factors.A);
    B.push_back(factors.B);
    anchor.insert(anchor.end(), factors.A.size(0), static_cast<std::int32_t>(factors.anchor));
    scaling.insert(scaling.end(), factors.A.size(0), static_cast<float>(factors.scaling));
  }
};

at::Tensor stack(const std::vector<at::Tensor>& parts, std::int64_t dim, at::ScalarType dtype, at::Device device) {
  std::vector<at::Tensor> converted;
  converted.reserve(parts.size());
  for (const at::Tensor& part : parts) converted.push_back(part.to(device, dtype));
  return at::cat(converted, dim);
}

BankMember make_member(const std::vector<AnchorFactors>& all, const AnchorSet& active, at::ScalarType dtype,
                       at::Device device, Columns& columns) {
  BankMember member;
  member.begin = static_cast<std::int64_t>(columns.anchor.size());
  std::vector<at::Tensor> B, bias;
  std::vector<std::int64_t> bias_anchor;
  std::vector<float> bias_scaling;
  for (const AnchorFactors& factors : all) {
    if (!contains(active, factors.anchor)) continue;
    columns.add(factors);
    B.push_back(factors.B);
    if (!factors.bias.defined()) continue;
    bias.push_back(factors.bias.unsqueeze(1));
    bias_anchor.push_back(factors.anchor);
    bias_scaling.push_back(static_cast<float>(factors.scaling));
  }
  member.end = static_cast<std::int64_t>(columns.anchor.size());
  if (!B.empty()) member.B = ops::pack_linear_weight(stack(B, 1, dtype, device));
  if (!bias.empty()) {
    member.bias = ops::pack_linear_weight(stack(bias, 1, dtype, device));
    member.bias_anchor = ops::to_device(bias_anchor, device);
    member.bias_scaling = ops::to_device(bias_scaling, device);
  }
  return member;
}

}  // namespace

BankGroup::BankGroup(const AnchorBank& bank, const std::vector<std::string>& modules, const AnchorSet& active,
                     at::ScalarType dtype, at::Device device) {
  Columns columns;
  for (const std::string& module : modules)
    members_.push_back(make_member(bank.factors(module), active, dtype, device, columns));
  if (columns.A.empty()) return;
  A_ = ops::pack_linear_weight(stack(columns.A, 0, dtype, device));
  anchor_ = ops::to_device(columns.anchor, device);
  scaling_ = ops::to_device(columns.scaling, device);
}

at::Tensor BankGroup::shrink(const at::Tensor& x, const at::Tensor& coeffs) const {
  at::Tensor u = ops::packed_linear(x, A_);
  ops::scale_lora_(u, coeffs, anchor_, scaling_);
  return u;
}

at::Tensor BankGroup::expand(std::size_t member, const at::Tensor& u, const at::Tensor& coeffs,
                             const at::Tensor& y) const {
  const BankMember& m = members_[member];
  if (m.begin == m.end) return y;
  const bool whole = m.begin == 0 && m.end == u.size(1);
  at::Tensor out = ops::packed_linear(whole ? u : u.slice(1, m.begin, m.end), m.B, {}, y);
  if (!m.bias.defined()) return out;
  const at::Tensor weights = coeffs.index_select(1, m.bias_anchor) * m.bias_scaling;
  return ops::packed_linear(weights.to(y.scalar_type()), m.bias, {}, out);
}

BankEmbedding::BankEmbedding(const AnchorBank& bank, const std::string& module, at::Device device) {
  Columns columns;
  for (const AnchorFactors& factors : bank.factors(module)) columns.add(factors);
  if (columns.A.empty()) return;
  table_ = stack(columns.A, 0, at::kFloat, device).t().contiguous();
  B_ = ops::pack_linear_weight(stack(columns.B, 1, at::kFloat, device));
  anchor_ = ops::to_device(columns.anchor, device);
  scaling_ = ops::to_device(columns.scaling, device);
}

void BankEmbedding::add_(const at::Tensor& y, const at::Tensor& ids, const at::Tensor& coeffs) const {
  const at::Tensor u = table_.index_select(0, ids);
  ops::scale_lora_(u, coeffs, anchor_, scaling_);
  y.copy_(ops::packed_linear(u, B_, {}, y));
}

PackedBank::PackedBank(const AnchorBank& bank, const InputGroups& input_groups, AnchorSet anchors, at::ScalarType dtype,
                       at::Device device)
    : active(std::move(anchors)) {
  groups.reserve(input_groups.size());
  for (const auto& modules : input_groups) groups.emplace_back(bank, modules, active, dtype, device);
}

std::int64_t bank_parameters(const AnchorBank& bank, const InputGroups& groups, const AnchorSet& active) {
  std::int64_t count = 0;
  for (const auto& modules : groups)
    for (const std::string& module : modules)
      for (const AnchorFactors& factors : bank.factors(module))
        if (contains(active, factors.anchor)) count += factors.A.numel() + factors.B.numel();
  return count;
}

}  // namespace contlm::lora

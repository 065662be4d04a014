#include "lora/anchor_bank.h"

#include <algorithm>
#include <cmath>
#include <iterator>

#include "common/error.h"

namespace contlm::lora {

namespace {

at::Tensor own(const at::Tensor& tensor) {
  if (!tensor.defined()) return tensor;
  return tensor.detach().to(at::kCPU, tensor.scalar_type(), /*non_blocking=*/false, /*copy=*/true);
}

}  // namespace

std::int64_t AnchorBank::take(const std::string& name) {
  CONTLM_CHECK(std::find(names_.begin(), names_.end(), name) == names_.end(), ValueError, "anchor \"", name,
               "\": names must differ, this one is taken; give each adapter its own name");
  names_.push_back(name);
  return size() - 1;
}

void AnchorBank::add(const std::string& name, const io::PeftAdapter& adapter) {
  const std::int64_t anchor = take(name);
  for (const auto& [module, lora] : adapter.modules)
    modules_[module].push_back({anchor, own(lora.A), own(lora.B), own(lora.bias), lora.scaling});
}

void AnchorBank::add(const std::string& name, const AnchorBank& other, std::int64_t anchor) {
  const std::int64_t own_anchor = take(name);
  for (const auto& [module, all] : other.modules_)
    for (AnchorFactors factors : all) {
      if (factors.anchor != anchor) continue;
      factors.anchor = own_anchor;
      modules_[module].push_back(std::move(factors));
    }
}

const std::vector<AnchorFactors>& AnchorBank::factors(const std::string& module) const {
  static const std::vector<AnchorFactors> none;
  const auto found = modules_.find(module);
  return found == modules_.end() ? none : found->second;
}

void AnchorBank::check(const Coefficients& c) const {
  CONTLM_CHECK(static_cast<std::int64_t>(c.size()) == size(), ValueError,
               "coefficients: there must be one for each of the ", size(), " anchors, got ", c.size(),
               "; see Interpolator.anchors for their order");
  for (std::size_t k = 0; k < c.size(); ++k)
    CONTLM_CHECK(std::isfinite(c[k]), ValueError, "coefficients: every value must be finite, that of ", names_[k],
                 " is ", c[k], "; check alpha and lam");
}

AnchorSet active_anchors(const Coefficients& c) {
  AnchorSet active;
  for (std::size_t k = 0; k < c.size(); ++k)
    if (c[k] != 0) active.push_back(static_cast<std::int64_t>(k));
  return active;
}

AnchorSet unite(const AnchorSet& a, const AnchorSet& b) {
  AnchorSet both;
  std::set_union(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(both));
  return both;
}

}  // namespace contlm::lora

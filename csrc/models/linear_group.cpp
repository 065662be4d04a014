#include "models/linear_group.h"

#include "ops/linear.h"

namespace contlm::models {

namespace {

std::optional<at::Tensor> if_defined(const at::Tensor& tensor) {
  return tensor.defined() ? std::optional(tensor) : std::nullopt;
}

}  // namespace

at::Tensor read_weight(const Weights& weights, const LinearSpec& spec) {
  const std::string name = spec.weight_name.empty() ? spec.name + ".weight" : spec.weight_name;
  if (spec.conv1d) return weights.get(name, {spec.in, spec.out}).t();
  return weights.get(name, {spec.out, spec.in});
}

at::Tensor read_bias(const Weights& weights, const LinearSpec& spec) {
  return spec.bias ? weights.get(spec.name + ".bias", {spec.out}) : at::Tensor();
}

LinearGroup::LinearGroup(const Weights& weights, std::vector<LinearSpec> specs, std::size_t index, at::ScalarType dtype,
                         at::Device device)
    : specs_(std::move(specs)), index_(index) {
  for (const LinearSpec& spec : specs_) {
    packed_.push_back(ops::pack_linear_weight(read_weight(weights, spec).to(device, dtype).contiguous()));
    const at::Tensor bias = read_bias(weights, spec);
    // A copy: the checkpoint's own memory must not be needed after loading.
    biases_.push_back(bias.defined() ? bias.to(device, dtype, /*non_blocking=*/false, /*copy=*/true) : bias);
  }
}

Outputs LinearGroup::forward(const at::Tensor& x, const lora::AppliedAnchors& anchors) const {
  const lora::BankGroup* bank = anchors.bank ? &anchors.bank->groups[index_] : nullptr;
  const bool banked = bank && !bank->empty();
  const at::Tensor u = banked ? bank->shrink(x, anchors.coeffs) : at::Tensor();
  Outputs outputs;
  for (std::size_t m = 0; m < specs_.size(); ++m) {
    const at::Tensor* weight = &packed_[m];
    const at::Tensor* bias = &biases_[m];
    if (anchors.merged) {
      const lora::MergedModule& merged = (*anchors.merged)[index_][m];
      if (merged.weight.defined()) weight = &merged.weight;
      if (merged.bias.defined()) bias = &merged.bias;
    }
    at::Tensor y = ops::packed_linear(x, *weight, if_defined(*bias));
    outputs.push_back(banked ? bank->expand(m, u, anchors.coeffs, y) : std::move(y));
  }
  return outputs;
}

at::Tensor LinearGroup::forward_activated(const at::Tensor& x, ops::Activation activation) const {
  return ops::packed_linear(x, packed_.front(), if_defined(biases_.front()), {}, activation);
}

}  // namespace contlm::models

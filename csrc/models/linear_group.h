// Linear layers that read one input, side by side: y_m = x W_m^T + b_m, W_m the base's weight, or a merged one, plus
// whatever the bank adds. The group is the unit because the bank shrinks an input once for all of its readers.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>
#include <c10/util/SmallVector.h>

#include "lora/applied_anchors.h"
#include "models/weights.h"
#include "ops/activation.h"

namespace contlm::models {

struct LinearSpec {
  std::string name;  // the HuggingFace module
  std::int64_t in = 0, out = 0;
  bool bias = false;
  bool conv1d = false;           // GPT-2's layer: the checkpoint holds the weight as [in, out]
  std::string weight_name = {};  // when it is another module's (a tied head); empty: name + ".weight"
};

using Outputs = c10::SmallVector<at::Tensor, 3>;

class LinearGroup {
 public:
  LinearGroup() = default;
  // `index` is this group's place in InputGroups.
  LinearGroup(const Weights& weights, std::vector<LinearSpec> specs, std::size_t index, at::ScalarType dtype,
              at::Device device);

  // x [n, in] -> each layer's [n, out], in x's dtype.
  Outputs forward(const at::Tensor& x, const lora::AppliedAnchors& anchors) const;
  // activation(x W^T + b) in one pass, of a layer alone in its group that no anchor ever changes.
  at::Tensor forward_activated(const at::Tensor& x, ops::Activation activation) const;

  const std::vector<LinearSpec>& specs() const { return specs_; }
  const at::Tensor& bias(std::size_t member) const { return biases_[member]; }

 private:
  std::vector<LinearSpec> specs_;
  std::size_t index_ = 0;
  std::vector<at::Tensor> packed_;
  std::vector<at::Tensor> biases_;  // in the compute dtype, or undefined
};

// The layer's weight as [out, in], as the checkpoint holds it (a view).
at::Tensor read_weight(const Weights& weights, const LinearSpec& spec);
at::Tensor read_bias(const Weights& weights, const LinearSpec& spec);  // [out], or undefined

}  // namespace contlm::models

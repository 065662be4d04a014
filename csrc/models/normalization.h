// RMSNorm or LayerNorm over the fp32 residual stream (ops/norm.h).
#pragma once

#include <string>

#include <ATen/core/Tensor.h>

#include "models/weights.h"

namespace contlm::models {

enum class NormKind { rms, layer };

class Normalization {
 public:
  Normalization() = default;
  Normalization(const Weights& weights, const std::string& name, NormKind kind, std::int64_t dim, double eps,
                at::Device device);

  // residual += y (when y is defined), then its normalisation as `dtype`.
  at::Tensor forward(const at::Tensor& residual, const at::Tensor& y, at::ScalarType dtype) const;
  // Over each head of x [T, heads, dim], in place (RMSNorm alone).
  void forward_heads_(const at::Tensor& x) const;
  bool defined() const { return weight_.defined(); }

 private:
  NormKind kind_ = NormKind::rms;
  double eps_ = 0;
  at::Tensor weight_, bias_;  // fp32
};

}  // namespace contlm::models

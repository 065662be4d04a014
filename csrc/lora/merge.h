// Merging: W = W0 + B_cat diag(c * scaling) A_cat, accumulated in fp32 and rounded once into a buffer of its own. W0 is
// never written, and nothing is ever un-merged by subtraction.
#pragma once

#include <ATen/core/Tensor.h>

#include "lora/anchor_bank.h"

namespace contlm::lora {

// `base` [out, in] of any float dtype -> the merged weight, fp32, on base's device. A c of zeros gives the base's own
// values.
at::Tensor merge_weight(const at::Tensor& base, const std::vector<AnchorFactors>& factors, const Coefficients& c);

// `base` [out] or undefined -> base + sum_k c_k scaling_k bias_k in fp32; undefined when there is neither base nor
// bias.
at::Tensor merge_bias(const at::Tensor& base, const std::vector<AnchorFactors>& factors, const Coefficients& c);

// An embedding's weight [vocab, dim]: its delta is scaling * (B A)^T.
at::Tensor merge_embedding(const at::Tensor& base, const std::vector<AnchorFactors>& factors, const Coefficients& c);

// Whether any of these factors has a coefficient other than zero.
bool touches(const std::vector<AnchorFactors>& factors, const Coefficients& c);

}  // namespace contlm::lora

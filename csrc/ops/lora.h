// The element-wise half of the bank: what stands between the shrink (x A_cat^T) and the expand (u B_cat^T).
#pragma once

#include <ATen/core/Tensor.h>

namespace contlm::ops {

// u[n, r] <- u[n, r] * coeffs[n, anchor[r]] * scaling[r], in place; the product is formed in fp32.
//   u [n, R] fp32 or bf16;  coeffs [n, K] fp32;  anchor [R] int32 in [0, K);  scaling [R] fp32
void scale_lora_(const at::Tensor& u, const at::Tensor& coeffs, const at::Tensor& anchor, const at::Tensor& scaling);

// What each op asks of its arguments (ops/require.h).
void check_scale_lora(const at::Tensor& u, const at::Tensor& coeffs, const at::Tensor& anchor,
                      const at::Tensor& scaling);

}  // namespace contlm::ops

// Algebra on deltas in their low-rank form; no delta is ever formed.
#pragma once

#include <map>
#include <string>

#include <ATen/core/Tensor.h>

#include "io/peft_adapter.h"
#include "lora/anchor_bank.h"

namespace contlm::lora {

// G[i, j] = <D_i, D_j> summed over modules, [K, K] fp64, with <B1 A1, B2 A2> = trace((B2^T B1)(A1 A2^T)). Biases take
// no part.
at::Tensor gram(const AnchorBank& bank);

// One adapter that equals the anchors combined with c. rank 0: exact, by concatenation, A = [A_k], B = [c_k scaling_k
// B_k]; otherwise the best approximation of that rank, by QR of both stacks and an SVD of the small core. A module no
// anchor of which takes part gets a zero factor, so that the adapter is readable wherever the anchors were.
std::map<std::string, io::LoraFactors> combine(const AnchorBank& bank, const Coefficients& c, std::int64_t rank);

}  // namespace contlm::lora

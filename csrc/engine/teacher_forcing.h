// Teacher forcing: sequences whose tokens are all known, many of them to a forward.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "engine/engine.h"

namespace contlm::engine {

// input_ids [B, T] int64; mask [B, T] or undefined; a coefficient row each. -> [B, T, V] fp32 on the input's device.
// Positions count the tokens that the mask keeps, so left and right padding give the same logits; where the mask is 0
// they are 0.
at::Tensor forced_logits(const Engine& engine, const at::Tensor& input_ids, const at::Tensor& mask,
                         const std::vector<lora::Coefficients>& points, Mode mode, Monitor& monitor);

// -log p of the tokens first_target[i], first_target[i] + 1, ... of sequence i given those before them, a coefficient
// row per sequence -> fp32 on the CPU, sequence after sequence. first_target >= 1; a sequence may have one token more
// than the context, since its last token is only predicted. The head runs on targets alone.
at::Tensor forced_nll(const Engine& engine, const std::vector<std::vector<std::int64_t>>& sequences,
                      const std::vector<std::int64_t>& first_target, const std::vector<lora::Coefficients>& points,
                      Mode mode, Monitor& monitor);

// The last states of every sequence's last token (Decoder::last_states), a coefficient row per sequence: calls
// consume(which, states [which.size(), hidden] fp32 on the model's device) until each sequence has had its turn.
using ConsumeStates = std::function<void(const std::vector<std::int64_t>& which, const at::Tensor& states)>;
void forced_last_states(const Engine& engine, const std::vector<std::vector<std::int64_t>>& sequences,
                        const std::vector<lora::Coefficients>& points, Mode mode, Monitor& monitor,
                        const ConsumeStates& consume);

}  // namespace contlm::engine

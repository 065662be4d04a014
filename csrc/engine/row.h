// A row: one sequence on its way. It carries its own point in weight space, fixed or one per new token (a schedule).
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "lora/coefficients.h"

namespace contlm::engine {

// One coefficient row, or one for each new token; past its end a schedule stays at its last.
using Schedule = std::vector<lora::Coefficients>;

enum class FinishReason { none, eos, length, stop };
inline const char* finish_reason_name(FinishReason reason) {
  switch (reason) {
    case FinishReason::eos:
      return "eos";
    case FinishReason::length:
      return "length";
    case FinishReason::stop:
      return "stop";
    case FinishReason::none:
      break;
  }
  return "none";
}

struct Row {
  std::int64_t index = 0;  // in the caller's order
  std::shared_ptr<const std::vector<std::int64_t>> prompt;
  std::shared_ptr<const Schedule> schedule;
  std::int64_t prefill_group = 0;  // rows with the same prompt at the same point: their prompt runs once
  std::uint64_t key = 0;           // of its random numbers (design: prompt, occurrence, return sequence)
  std::vector<std::int64_t> new_tokens;
  FinishReason finish = FinishReason::none;

  std::int64_t prompt_length() const { return static_cast<std::int64_t>(prompt->size()); }
  // The point at which the next token is computed.
  const lora::Coefficients& coefficients() const {
    const std::size_t step = std::min(new_tokens.size(), schedule->size() - 1);
    return (*schedule)[step];
  }
};

}  // namespace contlm::engine

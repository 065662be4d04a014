// How a call applies its coefficients, and what it may choose about generating: the defaults have their only home here.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace contlm::engine {

// How coefficients are applied; see planner.h.
enum class Mode { automatic, bank, merged, hybrid };
Mode parse_mode(const std::string& name);  // ValueError listing the names
const char* mode_name(Mode mode);

struct GenerateOptions {
  std::int64_t max_new_tokens = 32;
  bool do_sample = true;
  double temperature = 1.0;
  std::int64_t top_k = 0;  // 0: off
  double top_p = 1.0;      // 1: off
  double min_p = 0.0;      // 0: off
  double repetition_penalty = 1.0;
  std::int64_t num_return_sequences = 1;
  std::vector<std::int64_t> eos_token_ids;
  std::vector<std::string> stop_strings;
  std::uint64_t seed = 0;
  Mode mode = Mode::automatic;

  // ValueError naming the option, what it must be and what it is.
  void check() const;
};

}  // namespace contlm::engine

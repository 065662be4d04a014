#include "engine/options.h"

#include <cmath>

#include "common/error.h"

namespace contlm::engine {

Mode parse_mode(const std::string& name) {
  for (const Mode mode : {Mode::automatic, Mode::bank, Mode::merged, Mode::hybrid})
    if (name == mode_name(mode)) return mode;
  throw ValueError(message("mode: must be \"auto\", \"bank\", \"merged\" or \"hybrid\", got \"", name, "\""));
}

const char* mode_name(Mode mode) {
  switch (mode) {
    case Mode::automatic:
      return "auto";
    case Mode::bank:
      return "bank";
    case Mode::merged:
      return "merged";
    case Mode::hybrid:
      return "hybrid";
  }
  return "";
}

void GenerateOptions::check() const {
  CONTLM_CHECK(max_new_tokens >= 1, ValueError, "max_new_tokens: must be at least 1, got ", max_new_tokens);
  CONTLM_CHECK(num_return_sequences >= 1, ValueError, "num_return_sequences: must be at least 1, got ",
               num_return_sequences);
  CONTLM_CHECK(std::isfinite(temperature) && temperature > 0, ValueError, "temperature: must be above 0, got ",
               temperature, "; for greedy decoding set do_sample=False");
  CONTLM_CHECK(top_k >= 0, ValueError, "top_k: must be at least 0 (0 turns it off), got ", top_k);
  CONTLM_CHECK(top_p > 0 && top_p <= 1, ValueError, "top_p: must lie in (0, 1] (1 turns it off), got ", top_p);
  CONTLM_CHECK(min_p >= 0 && min_p <= 1, ValueError, "min_p: must lie in [0, 1] (0 turns it off), got ", min_p);
  CONTLM_CHECK(std::isfinite(repetition_penalty) && repetition_penalty > 0, ValueError,
               "repetition_penalty: must be above 0 (1 turns it off), got ", repetition_penalty);
  for (const std::string& stop : stop_strings)
    CONTLM_CHECK(!stop.empty(), ValueError, "stop_strings: a stop string must not be empty");
}

}  // namespace contlm::engine

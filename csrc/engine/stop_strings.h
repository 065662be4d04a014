// Stop strings, matched on the bytes that each token adds to a text: no decoding and no Python between steps.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace contlm::engine {

using TokenBytes = std::vector<std::string>;  // by token id; empty for special tokens

class StopStrings {
 public:
  // ValueError when there are stop strings but no token bytes (the model has no tokenizer).
  StopStrings(std::vector<std::string> strings, std::shared_ptr<const TokenBytes> token_bytes);

  bool empty() const { return strings_.empty(); }
  // Appends the token's bytes to `tail` (what may still be the start of a stop string) and says whether one is
  // complete.
  bool push(std::string& tail, std::int64_t token) const;

 private:
  std::vector<std::string> strings_;
  std::size_t longest_ = 0;
  std::shared_ptr<const TokenBytes> token_bytes_;
};

}  // namespace contlm::engine

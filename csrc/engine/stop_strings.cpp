#include "engine/stop_strings.h"

#include <algorithm>

#include "common/error.h"

namespace contlm::engine {

StopStrings::StopStrings(std::vector<std::string> strings, std::shared_ptr<const TokenBytes> token_bytes)
    : strings_(std::move(strings)), token_bytes_(std::move(token_bytes)) {
  for (const std::string& s : strings_) longest_ = std::max(longest_, s.size());
  CONTLM_CHECK(strings_.empty() || (token_bytes_ && !token_bytes_->empty()), ValueError,
               "stop_strings: the model must have a tokenizer to match them, it has none; pass tokenizer=");
}

bool StopStrings::push(std::string& tail, std::int64_t token) const {
  const std::string& bytes = (*token_bytes_)[static_cast<std::size_t>(token)];
  tail += bytes;
  const bool hit = std::any_of(strings_.begin(), strings_.end(),
                               [&](const std::string& s) { return tail.find(s) != std::string::npos; });
  if (tail.size() >= longest_) tail.erase(0, tail.size() - longest_ + 1);
  return hit;
}

}  // namespace contlm::engine

// Lists of names, and how names and shapes stand in messages.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace contlm::io {

// "a", "b", "c" and 9 more: a message stays readable however much is wrong.
inline std::string listing(const std::vector<std::string>& names, std::size_t limit = 8) {
  std::string text;
  for (std::size_t i = 0; i < names.size() && i < limit; ++i) text += (i ? ", \"" : "\"") + names[i] + "\"";
  if (names.size() > limit) text += " and " + std::to_string(names.size() - limit) + " more";
  return text;
}

// The keys of a map, in its order.
template <typename Map>
std::vector<std::string> keys_of(const Map& map) {
  std::vector<std::string> keys;
  keys.reserve(map.size());
  for (const auto& [key, value] : map) keys.push_back(key);
  return keys;
}

// [2, 3]
template <typename Sizes>
std::string shape_text(const Sizes& sizes) {
  std::string text = "[";
  for (const auto size : sizes) text += (text.size() > 1 ? ", " : "") + std::to_string(size);
  return text + "]";
}

}  // namespace contlm::io

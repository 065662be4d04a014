// JSON from files that others wrote: what nests deeper than a file of ours ever does is refused while it is read, so
// that nothing after it can run out of stack.
#pragma once

#include <string_view>

#include <nlohmann/json.hpp>

namespace contlm::io {

// The bound that Rust's serde has, and the `safetensors` package with it.
inline constexpr int kMaxJsonDepth = 127;

// How messages call what parse_json discards.
inline constexpr const char* kNotJson = "text that is not JSON, or nests more than 127 levels deep";

// A discarded value where `text` is no JSON, or nests deeper.
template <typename Json>
Json parse_json(std::string_view text) {
  using Event = typename Json::parse_event_t;
  bool too_deep = false;
  const auto keep = [&too_deep](int depth, Event event, Json&) {
    const bool opens = event == Event::object_start || event == Event::array_start;
    too_deep = too_deep || (opens && depth >= kMaxJsonDepth);
    return !too_deep;
  };
  Json json = Json::parse(text.begin(), text.end(), keep, /*allow_exceptions=*/false);
  return too_deep ? Json(Json::value_t::discarded) : json;
}

}  // namespace contlm::io

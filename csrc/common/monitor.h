// How a long call talks to its caller: progress out, cancellation in. The core calls it between steps, never within
// one.
#pragma once

#include <cstdint>
#include <span>
#include <utility>

namespace contlm {

class Monitor {
 public:
  virtual ~Monitor() = default;
  // Throws when the caller wants the call to end; the core lets the exception pass. Cheap enough for every step.
  virtual void check() {}
  // `done` of `total` units of work (tokens) are finished.
  virtual void progress(std::int64_t /*done*/, std::int64_t /*total*/) {}
  // Whether on_tokens wants to be called: otherwise a step builds no list for it.
  virtual bool wants_tokens() const { return false; }
  // The (row, token) pairs that one step drew.
  virtual void on_tokens(std::span<const std::pair<std::int64_t, std::int64_t>> /*drawn*/) {}
};

}  // namespace contlm

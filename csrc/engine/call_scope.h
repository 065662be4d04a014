// What every public call of the engine runs under: no autograd, and the threads that were asked for.
#pragma once

#include <cstdint>

#include <ATen/Parallel.h>
#include <ATen/core/LegacyTypeDispatch.h>
#include <c10/core/GradMode.h>

namespace contlm::engine {

class CallScope {
 public:
  // threads 0: torch's own number.
  explicit CallScope(std::int64_t threads) : before_(at::get_num_threads()) {
    if (threads > 0 && threads != before_) at::set_num_threads(static_cast<int>(threads));
  }
  ~CallScope() {
    if (at::get_num_threads() != before_) at::set_num_threads(before_);
  }
  CallScope(const CallScope&) = delete;
  CallScope& operator=(const CallScope&) = delete;

 private:
  int before_;
  c10::AutoGradMode grad_{false};
  at::AutoDispatchBelowADInplaceOrView below_autograd_;
};

}  // namespace contlm::engine

// How C++ calls an op of ours: through the dispatcher, so that the tensors' device picks the kernel.
#pragma once

#include <utility>

#include <ATen/core/LegacyTypeDispatch.h>
#include <ATen/core/dispatch/Dispatcher.h>

namespace contlm::ops {

// The handle of an op; keep it in a function's static, looking it up takes a lock.
template <typename Signature>
c10::TypedOperatorHandle<Signature> find_op(const char* name, const char* overload = "") {
  return c10::Dispatcher::singleton().findSchemaOrThrow(name, overload).typed<Signature>();
}

// No op here has a derivative, so autograd's keys, whose fallback is slower than most of our kernels, are skipped.
template <typename Signature, typename... Arguments>
decltype(auto) call_op(const c10::TypedOperatorHandle<Signature>& op, Arguments&&... arguments) {
  const at::AutoDispatchBelowADInplaceOrView below_autograd;
  return op.call(std::forward<Arguments>(arguments)...);
}

}  // namespace contlm::ops

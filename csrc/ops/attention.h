// Attention over a slotted key/value cache. One layout serves prefill, decode, sliding windows and encoders: every
// token names its slot and the half-open range of cached positions that it may see.
#pragma once

#include <ATen/core/Tensor.h>

namespace contlm::ops {

// Rotary embedding in place, the halves rotated as HuggingFace does (rotate_half):
//   x[t, h, i]       <- x[t, h, i] cos[t, i] - x[t, h, i + D/2] sin[t, i]
//   x[t, h, i + D/2] <- x[t, h, i + D/2] cos[t, i] + x[t, h, i] sin[t, i]
// x [T, heads, D] fp32 or bf16, any strides but the last; cos, sin [T, D/2] fp32.
void rotary_(const at::Tensor& x, const at::Tensor& cos, const at::Tensor& sin);

// k_cache[slot[t], h, position[t], :] = k[t, h, :], and v likewise.
//   k, v [T, Hkv, D] any strides but the last; caches [slots, Hkv, capacity, D] of the same dtype; slot, position [T]
//   int32.
void write_kv_(const at::Tensor& k, const at::Tensor& v, const at::Tensor& k_cache, const at::Tensor& v_cache,
               const at::Tensor& slot, const at::Tensor& position);

// out[t, h] = sum_p softmax_p(scale * q[t, h] . K[slot[t], h / group, p]) V[slot[t], h / group, p]
//   over key_begin[t] <= p < key_end[t]
//   q [T, Hq, D] any strides but the last; caches as above; slot, key_begin, key_end [T] int32, key_begin < key_end;
//   returns [T, Hq * D].
// Softmax and sums are fp32; group = Hq / Hkv. A token's result does not depend on what else is in the batch.
at::Tensor cached_attention(const at::Tensor& q, const at::Tensor& k_cache, const at::Tensor& v_cache,
                            const at::Tensor& slot, const at::Tensor& key_begin, const at::Tensor& key_end,
                            double scale);

// What each op asks of its arguments (ops/require.h).
void check_rotary(const at::Tensor& x, const at::Tensor& cos, const at::Tensor& sin);
void check_write_kv(const at::Tensor& k, const at::Tensor& v, const at::Tensor& k_cache, const at::Tensor& v_cache,
                    const at::Tensor& slot, const at::Tensor& position);
void check_cached_attention(const at::Tensor& q, const at::Tensor& k_cache, const at::Tensor& v_cache,
                            const at::Tensor& slot, const at::Tensor& key_begin, const at::Tensor& key_end);

}  // namespace contlm::ops

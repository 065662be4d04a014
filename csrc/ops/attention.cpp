#include "ops/attention.h"

#include <algorithm>
#include <limits>

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/einsum.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/index.h>
#include <ATen/ops/index_put.h>
#include <ATen/ops/minimum.h>
#include <ATen/ops/softmax.h>
#include <torch/library.h>

#include "ops/call.h"
#include "ops/require.h"

namespace contlm::ops {

void rotary_(const at::Tensor& x, const at::Tensor& cos, const at::Tensor& sin) {
  static const auto op = find_op<void(const at::Tensor&, const at::Tensor&, const at::Tensor&)>("contlm::rotary_");
  call_op(op, x, cos, sin);
}

void write_kv_(const at::Tensor& k, const at::Tensor& v, const at::Tensor& k_cache, const at::Tensor& v_cache,
               const at::Tensor& slot, const at::Tensor& position) {
  static const auto op = find_op<void(const at::Tensor&, const at::Tensor&, const at::Tensor&, const at::Tensor&,
                                      const at::Tensor&, const at::Tensor&)>("contlm::write_kv_");
  call_op(op, k, v, k_cache, v_cache, slot, position);
}

at::Tensor cached_attention(const at::Tensor& q, const at::Tensor& k_cache, const at::Tensor& v_cache,
                            const at::Tensor& slot, const at::Tensor& key_begin, const at::Tensor& key_end,
                            double scale) {
  static const auto op = find_op<at::Tensor(const at::Tensor&, const at::Tensor&, const at::Tensor&, const at::Tensor&,
                                            const at::Tensor&, const at::Tensor&, double)>("contlm::cached_attention");
  return call_op(op, q, k_cache, v_cache, slot, key_begin, key_end, scale);
}

void check_rotary(const at::Tensor& x, const at::Tensor& cos, const at::Tensor& sin) {
  constexpr const char* op = "rotary_";
  const Argument x_argument{"x", "[T, heads, D]", x};
  const Argument cos_argument{"cos", "[T, D/2]", cos}, sin_argument{"sin", "[T, D/2]", sin};
  require_shape(op, x_argument, {kAnySize, kAnySize, kAnySize});
  CONTLM_CHECK(x.size(2) % 2 == 0, ValueError, op, ": head_dim must be even, got ", describe(x),
               "; rotate the even number of leading dimensions that the model rotates");
  require_shape(op, cos_argument, {x.size(0), x.size(2) / 2});
  require_shape(op, sin_argument, {x.size(0), x.size(2) / 2});
  require_float32_or_bfloat16(op, x_argument);
  require_dtype(op, cos_argument, at::kFloat);
  require_dtype(op, sin_argument, at::kFloat);
  require_dense_rows(op, x_argument);
  require_same_device(op, x, {cos_argument, sin_argument});
}

namespace {

void require_caches(const char* op, const at::Tensor& k_cache, const at::Tensor& v_cache) {
  const Argument k_argument{"k_cache", "[slots, Hkv, capacity, D]", k_cache};
  const Argument v_argument{"v_cache", "[slots, Hkv, capacity, D]", v_cache};
  require_shape(op, k_argument, {kAnySize, kAnySize, kAnySize, kAnySize});
  require_shape(op, v_argument, {k_cache.size(0), k_cache.size(1), k_cache.size(2), k_cache.size(3)});
  require_float32_or_bfloat16(op, k_argument);
  require_dtype(op, v_argument, k_cache.scalar_type());
  CONTLM_CHECK(k_cache.is_contiguous() && v_cache.is_contiguous(), ValueError, op,
               ": k_cache and v_cache must be contiguous, got strides ", k_cache.strides(), " and ", v_cache.strides(),
               "; pass the caches as they were allocated");
}

void require_token_index(const char* op, const Argument& argument, std::int64_t tokens) {
  require_shape(op, argument, {tokens});
  require_dtype(op, argument, at::kInt);
}

}  // namespace

void check_write_kv(const at::Tensor& k, const at::Tensor& v, const at::Tensor& k_cache, const at::Tensor& v_cache,
                    const at::Tensor& slot, const at::Tensor& position) {
  constexpr const char* op = "write_kv_";
  require_caches(op, k_cache, v_cache);
  const Argument k_argument{"k", "[T, Hkv, D]", k}, v_argument{"v", "[T, Hkv, D]", v};
  const Argument slot_argument{"slot", "[T]", slot}, position_argument{"position", "[T]", position};
  require_shape(op, k_argument, {kAnySize, k_cache.size(1), k_cache.size(3)});
  require_shape(op, v_argument, {k.size(0), k.size(1), k.size(2)});
  require_dtype(op, k_argument, k_cache.scalar_type());
  require_dtype(op, v_argument, k_cache.scalar_type());
  require_dense_rows(op, k_argument);
  require_dense_rows(op, v_argument);
  require_token_index(op, slot_argument, k.size(0));
  require_token_index(op, position_argument, k.size(0));
  require_same_device(op, k_cache,
                      {{"v_cache", "", v_cache}, k_argument, v_argument, slot_argument, position_argument});
}

void check_cached_attention(const at::Tensor& q, const at::Tensor& k_cache, const at::Tensor& v_cache,
                            const at::Tensor& slot, const at::Tensor& key_begin, const at::Tensor& key_end) {
  constexpr const char* op = "cached_attention";
  require_caches(op, k_cache, v_cache);
  const Argument q_argument{"q", "[T, Hq, D]", q};
  const Argument slot_argument{"slot", "[T]", slot}, key_begin_argument{"key_begin", "[T]", key_begin},
      key_end_argument{"key_end", "[T]", key_end};
  require_shape(op, q_argument, {kAnySize, kAnySize, k_cache.size(3)});
  require_dtype(op, q_argument, k_cache.scalar_type());
  require_dense_rows(op, q_argument);
  CONTLM_CHECK(k_cache.size(1) > 0 && q.size(1) > 0 && q.size(1) % k_cache.size(1) == 0, ValueError, op,
               ": the number of query heads must be a multiple of the cache's heads, got ", q.size(1), " and ",
               k_cache.size(1), "; build the cache with the model's num_key_value_heads");
  require_token_index(op, slot_argument, q.size(0));
  require_token_index(op, key_begin_argument, q.size(0));
  require_token_index(op, key_end_argument, q.size(0));
  require_same_device(op, k_cache,
                      {{"v_cache", "", v_cache}, q_argument, slot_argument, key_begin_argument, key_end_argument});
}

namespace {

void rotary_aten(const at::Tensor& x, const at::Tensor& cos, const at::Tensor& sin) {
  check_rotary(x, cos, sin);
  const std::int64_t half = x.size(2) / 2;
  const at::Tensor low = x.narrow(2, 0, half), high = x.narrow(2, half, half);
  const at::Tensor a = low.to(at::kFloat), b = high.to(at::kFloat);
  const at::Tensor c = cos.unsqueeze(1), s = sin.unsqueeze(1);
  const at::Tensor rotated_low = a * c - b * s;
  high.copy_(b * c + a * s);
  low.copy_(rotated_low);
}

void write_kv_aten(const at::Tensor& k, const at::Tensor& v, const at::Tensor& k_cache, const at::Tensor& v_cache,
                   const at::Tensor& slot, const at::Tensor& position) {
  check_write_kv(k, v, k_cache, v_cache, slot, position);
  if (k.size(0) == 0) return;
  // [slots, capacity, Hkv, D]: the two indices are neighbours, so what they select is [T, Hkv, D].
  const c10::List<std::optional<at::Tensor>> where{slot.to(at::kLong), position.to(at::kLong)};
  k_cache.transpose(1, 2).index_put_(where, k);
  v_cache.transpose(1, 2).index_put_(where, v);
}

// [tokens, span, Hkv, D] fp32: the cached rows that each token may see, the last of them repeated past its end.
at::Tensor gather_cache(const at::Tensor& cache, const at::Tensor& slot, const at::Tensor& positions) {
  const c10::List<std::optional<at::Tensor>> where{slot.unsqueeze(1), positions};
  return cache.transpose(1, 2).index(where).to(at::kFloat);
}

at::Tensor attend_aten(const at::Tensor& q, const at::Tensor& k_cache, const at::Tensor& v_cache,
                       const at::Tensor& slot, const at::Tensor& key_begin, const at::Tensor& key_end, double scale) {
  const std::int64_t tokens = q.size(0), kv_heads = k_cache.size(1), head_dim = q.size(2);
  const std::int64_t span = (key_end - key_begin).max().item<std::int64_t>();
  const at::Tensor wanted = key_begin.unsqueeze(1) + at::arange(span, key_begin.options());
  const at::Tensor positions = at::minimum(wanted, (key_end - 1).unsqueeze(1));
  const at::Tensor k = gather_cache(k_cache, slot, positions), v = gather_cache(v_cache, slot, positions);
  const at::Tensor queries = q.to(at::kFloat).reshape({tokens, kv_heads, -1, head_dim}) * scale;
  at::Tensor scores = at::einsum("thgd,tshd->thgs", {queries, k});
  const at::Tensor unseen = (wanted >= key_end.unsqueeze(1)).unsqueeze(1).unsqueeze(1);
  scores = scores.masked_fill(unseen, -std::numeric_limits<double>::infinity());
  return at::einsum("thgs,tshd->thgd", {at::softmax(scores, -1), v}).reshape({tokens, -1}).to(q.scalar_type());
}

at::Tensor cached_attention_aten(const at::Tensor& q, const at::Tensor& k_cache, const at::Tensor& v_cache,
                                 const at::Tensor& slot, const at::Tensor& key_begin, const at::Tensor& key_end,
                                 double scale) {
  check_cached_attention(q, k_cache, v_cache, slot, key_begin, key_end);
  const std::int64_t tokens = q.size(0);
  at::Tensor out = at::empty({tokens, q.size(1) * q.size(2)}, q.options());
  if (tokens == 0) return out;
  // A chunk of tokens gathers at most this much of the keys and as much of the values.
  constexpr std::int64_t kGatherBytes = std::int64_t{128} << 20;
  const at::Tensor slots = slot.to(at::kLong), key_begins = key_begin.to(at::kLong), key_ends = key_end.to(at::kLong);
  const std::int64_t span = (key_ends - key_begins).max().item<std::int64_t>();
  const std::int64_t token_bytes = span * k_cache.size(1) * k_cache.size(3) * 4;
  const std::int64_t chunk = std::max<std::int64_t>(1, kGatherBytes / std::max<std::int64_t>(1, token_bytes));
  for (std::int64_t first = 0; first < tokens; first += chunk) {
    const std::int64_t count = std::min(chunk, tokens - first);
    out.narrow(0, first, count)
        .copy_(attend_aten(q.narrow(0, first, count), k_cache, v_cache, slots.narrow(0, first, count),
                           key_begins.narrow(0, first, count), key_ends.narrow(0, first, count), scale));
  }
  return out;
}

TORCH_LIBRARY_IMPL(contlm, CompositeExplicitAutograd, library) {
  library.impl("rotary_", rotary_aten);
  library.impl("write_kv_", write_kv_aten);
  library.impl("cached_attention", cached_attention_aten);
}

}  // namespace
}  // namespace contlm::ops

#include <atomic>
#include <cstring>
#include <memory>
#include <new>
#include <optional>
#include <vector>

#include <ATen/ops/empty.h>
#include <torch/library.h>

#include "ops/attention.h"
#include "ops/cpu/views.h"
#include "ops/error.h"

namespace contlm::ops::cpu {
namespace {

void rotary_(const at::Tensor& x, const at::Tensor& cos, const at::Tensor& sin) {
  check_rotary(x, cos, sin);
  const at::Tensor dense_cos = with_dense_rows(cos), dense_sin = with_dense_rows(sin);
  const kernels::RotaryArgs args{heads(x), const_rows(dense_cos), const_rows(dense_sin)};
  const auto kernel = kernels::kernels().rotary[index_of(x)];
  for_row_ranges(x.size(0) * x.size(1), x.size(2), [&](kernels::Rows range) { kernel(args, range); });
}

void require_slots(const char* op, const at::Tensor& slot, const at::Tensor& cache) {
  const auto* slots = slot.const_data_ptr<std::int32_t>();
  for (std::int64_t t = 0; t < slot.size(0); ++t) {
    CONTLM_CHECK(slots[t] >= 0 && slots[t] < cache.size(0), ValueError, op,
                 ": slot must lie in [0, slots) with slots = ", cache.size(0), ", got ", slots[t], " for token ", t,
                 "; build the cache with more slots");
  }
}

void write_kv_(const at::Tensor& k, const at::Tensor& v, const at::Tensor& k_cache, const at::Tensor& v_cache,
               const at::Tensor& slot, const at::Tensor& position) {
  check_write_kv(k, v, k_cache, v_cache, slot, position);
  const at::Tensor dense_slot = slot.contiguous(), dense_position = position.contiguous();
  const auto* slots = dense_slot.const_data_ptr<std::int32_t>();
  const auto* positions = dense_position.const_data_ptr<std::int32_t>();
  require_slots("write_kv_", dense_slot, k_cache);
  for (std::int64_t t = 0; t < k.size(0); ++t) {
    CONTLM_CHECK(positions[t] >= 0 && positions[t] < k_cache.size(2), ValueError,
                 "write_kv_: position must lie in [0, capacity) with capacity = ", k_cache.size(2), ", got ",
                 positions[t], " for token ", t, "; build the cache with more capacity");
  }
  const std::int64_t kv_heads = k.size(1), element = k.element_size(), row_bytes = k.size(2) * element;
  const auto copy_row = [&](const at::Tensor& from, const at::Tensor& to, std::int64_t t, std::int64_t h) {
    const std::int64_t row = (slots[t] * kv_heads + h) * to.size(2) + positions[t];
    std::memcpy(static_cast<char*>(to.data_ptr()) + row * row_bytes,
                static_cast<const char*>(from.const_data_ptr()) + (t * from.stride(0) + h * from.stride(1)) * element,
                static_cast<std::size_t>(row_bytes));
  };
  for_row_ranges(k.size(0), 2 * kv_heads * k.size(2), [&](kernels::Rows range) {
    for (std::int64_t t = range.begin; t < range.end; ++t) {
      for (std::int64_t h = 0; h < kv_heads; ++h) {
        copy_row(k, k_cache, t, h);
        copy_row(v, v_cache, t, h);
      }
    }
  });
}

void require_ranges(const std::int32_t* key_begin, const std::int32_t* key_end, std::int64_t tokens,
                    std::int64_t capacity) {
  for (std::int64_t t = 0; t < tokens; ++t) {
    CONTLM_CHECK(key_begin[t] >= 0 && key_begin[t] < key_end[t] && key_end[t] <= capacity, ValueError,
                 "cached_attention: every token must have 0 <= key_begin < key_end <= capacity = ", capacity, ", got [",
                 key_begin[t], ", ", key_end[t], ") for token ", t, "; write a token's own key before it attends");
  }
}

// Token t + 1 may join token t's block: the same slot, and ranges that move on without a gap, so that a block never
// reads a position that none of its tokens sees.
bool continues(const kernels::AttentionArgs& args, std::int64_t t) {
  return args.slot[t + 1] == args.slot[t] && args.key_begin[t + 1] >= args.key_begin[t] &&
         args.key_end[t + 1] >= args.key_end[t] && args.key_begin[t + 1] <= args.key_end[t];
}

// The first tokens of the blocks, and the number of tokens at the end.
std::vector<std::int64_t> split_into_blocks(const kernels::AttentionArgs& args, std::int64_t tokens) {
  const std::int64_t most = kernels::attention_block_tokens(args.group);
  std::vector<std::int64_t> starts;
  starts.reserve(static_cast<std::size_t>(tokens) + 1);
  for (std::int64_t t = 0; t < tokens; ++t) {
    if (starts.empty() || t - starts.back() == most || !continues(args, t - 1)) starts.push_back(t);
  }
  starts.push_back(tokens);
  return starts;
}

// The team's scratch belongs to the calling thread, so that it is found short of memory before there is a team.
float* reserve_scratch(std::int64_t floats) {
  struct Free {
    void operator()(float* data) const { ::operator delete[](data, std::align_val_t{64}); }
  };
  thread_local std::unique_ptr<float[], Free> data;
  thread_local std::int64_t size = 0;
  if (floats > size) {
    data.reset();
    size = 0;
    data.reset(
        static_cast<float*>(::operator new[](static_cast<std::size_t>(floats) * sizeof(float), std::align_val_t{64})));
    size = floats;
  }
  return data.get();
}

// Blocks differ in work (a causal window's last tokens see the most), so threads take the next one as they become free,
// the longest first. Which thread takes which changes no result.
void run_blocks(const kernels::AttentionArgs& args, const std::vector<std::int64_t>& starts, int storage) {
  const kernels::KernelTable& table = kernels::kernels();
  const auto blocks = static_cast<std::int64_t>(starts.size()) - 1;
  const std::int64_t items = blocks * args.kv_heads;
  const std::int64_t scratch_floats = (table.attention_scratch_floats(args.head_dim, args.group) + 15) / 16 * 16;
  const std::int64_t workers = std::min<std::int64_t>(items, omp_get_max_threads());
  float* scratch = reserve_scratch(scratch_floats * workers);
  std::atomic<std::int64_t> taken{0};
  parallel_for(workers, 1, [&](std::int64_t first_worker, std::int64_t) {
    const auto take = [&]() -> std::optional<kernels::AttentionBlock> {
      const std::int64_t item = taken.fetch_add(1), block = blocks - 1 - item % blocks;
      if (item >= items) return {};
      return kernels::AttentionBlock{starts[block], starts[block + 1] - starts[block], item / blocks};
    };
    // One is taken ahead, because its keys can be fetched while another is computed.
    for (std::optional<kernels::AttentionBlock> now = take(), next; now; now = next) {
      next = take();
      table.attention[storage](args, *now, next ? &*next : nullptr, scratch + first_worker * scratch_floats);
    }
  });
}

at::Tensor cached_attention(const at::Tensor& q, const at::Tensor& k_cache, const at::Tensor& v_cache,
                            const at::Tensor& slot, const at::Tensor& key_begin, const at::Tensor& key_end,
                            double scale) {
  check_cached_attention(q, k_cache, v_cache, slot, key_begin, key_end);
  const std::int64_t tokens = q.size(0), capacity = k_cache.size(2), head_dim = q.size(2);
  const at::Tensor dense_slot = slot.contiguous(), dense_key_begin = key_begin.contiguous(),
                   dense_key_end = key_end.contiguous();
  at::Tensor out = at::empty({tokens, q.size(1) * head_dim}, q.options());
  const kernels::AttentionArgs args{
      .q = q.const_data_ptr(),
      .q_token_stride = q.stride(0),
      .q_head_stride = q.stride(1),
      .k_cache = k_cache.const_data_ptr(),
      .v_cache = v_cache.const_data_ptr(),
      .slot_stride = k_cache.size(1) * capacity * head_dim,
      .head_stride = capacity * head_dim,
      .slot = dense_slot.const_data_ptr<std::int32_t>(),
      .key_begin = dense_key_begin.const_data_ptr<std::int32_t>(),
      .key_end = dense_key_end.const_data_ptr<std::int32_t>(),
      .out = out.data_ptr(),
      .kv_heads = k_cache.size(1),
      .group = q.size(1) / k_cache.size(1),
      .head_dim = head_dim,
      .scale = static_cast<float>(scale),
  };
  require_slots("cached_attention", dense_slot, k_cache);
  require_ranges(args.key_begin, args.key_end, tokens, capacity);
  if (tokens > 0) run_blocks(args, split_into_blocks(args, tokens), index_of(q));
  return out;
}

TORCH_LIBRARY_IMPL(contlm, CPU, library) {
  library.impl("rotary_", rotary_);
  library.impl("write_kv_", write_kv_);
  library.impl("cached_attention", cached_attention);
}

}  // namespace
}  // namespace contlm::ops::cpu

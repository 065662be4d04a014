// One block of cached attention: the query rows of some consecutive tokens of a slot that share one key/value head.
//
// Keys are walked in tiles at fixed positions (multiples of kTileKeys). A tile's keys are transposed once into scratch,
// so that scores are sums of broadcast query values times vectors of keys, and its values are widened to fp32 once
// where that pays; every row of the block uses both. Rows keep a running maximum, sum and accumulator (online
// softmax). A row's sums run over head_dim in order, then over its keys in order, within tiles that depend on positions
// alone; keys that a row does not see weigh exactly zero. So its result has the same bits whichever rows share its
// block.
#pragma once

#include "kernels/cpu/vec.h"

namespace contlm::kernels {
namespace {

constexpr int kTileKeys = 64;
// Rows x vectors of accumulators that fit the register file: 32 registers with AVX-512, 16 otherwise.
constexpr int kRowTile = 6;
constexpr int kVectorTile = kVecBytes == 64 ? 4 : 2;
constexpr float kNoScore = -__builtin_inff();

CONTLM_INLINE std::int64_t smaller(std::int64_t a, std::int64_t b) { return a < b ? a : b; }
CONTLM_INLINE std::int64_t larger(std::int64_t a, std::int64_t b) { return a > b ? a : b; }

// Memory that is read next, asked for a little at a time between the products, which hide the wait.
class Prefetcher {
 public:
  Prefetcher() = default;
  Prefetcher(const void* begin, const void* end)
      : next_(static_cast<const char*>(begin)), end_(static_cast<const char*>(end)) {}

  CONTLM_INLINE void fetch_next() {
    if (next_ >= end_) return;
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) __builtin_prefetch(next_ + 64 * i);
    next_ += 256;
  }

 private:
  const char* next_ = nullptr;
  const char* end_ = nullptr;
};

// A block's working memory. Row r is head r % group of token r / group.
struct BlockState {
  std::int64_t rows;
  std::int64_t dim;
  std::int64_t padded_dim;      // dim in whole vectors
  float* queries;               // [rows, dim], scaled
  float* keys;                  // [dim, kTileKeys], a tile transposed
  float* values;                // [kTileKeys, padded_dim], a tile widened
  float* scores;                // [kRowTile, kTileKeys]
  float* accumulator;           // [rows, padded_dim]
  float* row_sums;              // [rows, kLanes], a sum in every lane
  float* row_max;               // [rows]
  Prefetcher value_prefetcher;  // this tile's values, while scores are formed
  Prefetcher key_prefetcher;    // the next tile's keys, while values are accumulated
};

constexpr std::int64_t padded(std::int64_t count) { return (count + 15) / 16 * 16; }

BlockState block_state(std::int64_t rows, std::int64_t dim, float* scratch) {
  BlockState state{};
  state.rows = rows;
  state.dim = dim;
  state.padded_dim = padded(dim);
  const auto take = [&scratch](std::int64_t floats) {
    float* taken = scratch;
    scratch += padded(floats);
    return taken;
  };
  state.queries = take(rows * dim);
  state.keys = take(dim * kTileKeys);
  state.values = take(kTileKeys * state.padded_dim);
  state.scores = take(kRowTile * kTileKeys);
  state.accumulator = take(rows * state.padded_dim);
  state.row_sums = take(rows * kLanes);
  state.row_max = take(rows);
  return state;
}

std::int64_t attention_scratch_floats_kernel(std::int64_t head_dim, std::int64_t group) {
  const std::int64_t rows = attention_block_tokens(group) * group;
  return padded(rows * head_dim) + padded(head_dim * kTileKeys) + kTileKeys * padded(head_dim) + kRowTile * kTileKeys +
         rows * padded(head_dim) + padded(rows * kLanes) + padded(rows);
}

template <typename T>
void load_queries(const AttentionArgs& args, const AttentionBlock& block, BlockState& state) {
  for (std::int64_t row = 0; row < state.rows; ++row) {
    const std::int64_t token = block.first_token + row / args.group;
    const std::int64_t head = block.kv_head * args.group + row % args.group;
    const T* q = static_cast<const T*>(args.q) + token * args.q_token_stride + head * args.q_head_stride;
    for_each_vec(state.dim, [&](std::int64_t i, auto lanes) __attribute__((always_inline)) {
      store(state.queries + row * state.dim + i, load(q + i, lanes) * args.scale, lanes);
    });
    state.row_max[row] = kNoScore;
  }
  __builtin_memset(state.accumulator, 0, sizeof(float) * static_cast<std::size_t>(state.rows * state.padded_dim));
  __builtin_memset(state.row_sums, 0, sizeof(float) * static_cast<std::size_t>(state.rows * kLanes));
}

// keys[d, j] = tile[j, d] for begin <= j < end; other columns of the vectors touched become zero, never what the cache
// holds.
template <typename T>
void transpose_keys(const T* tile, std::int64_t begin, std::int64_t end, BlockState& state) {
  for (std::int64_t first = begin / kLanes * kLanes; first < end; first += kLanes) {
    for_each_vec(state.dim, [&](std::int64_t d, auto lanes) __attribute__((always_inline)) {
      FloatVec square[kLanes];
#pragma GCC unroll 16
      for (int j = 0; j < kLanes; ++j) {
        const std::int64_t key = first + j;
        square[j] = key >= begin && key < end ? load(tile + key * state.dim + d, lanes) : FloatVec{};
      }
      transpose(square);
      const std::int64_t count = smaller(kLanes, state.dim - d);
      for (int i = 0; i < count; ++i) store(state.keys + (d + i) * kTileKeys + first, square[i]);
    });
  }
}

template <typename T>
void widen_values(const T* tile, std::int64_t begin, std::int64_t end, BlockState& state) {
  for (std::int64_t key = begin; key < end; ++key) {
    float* widened = state.values + key * state.padded_dim;
    for_each_vec(state.dim, [&](std::int64_t d, auto lanes) __attribute__((always_inline)) {
      store(widened + d, load(tile + key * state.dim + d, lanes));
    });
  }
}

// scores[r, v] = sum_d queries[r, d] keys[d, v] for kRows rows and kVectors vectors of keys.
template <int kRows, int kVectors>
CONTLM_INLINE void score_tile(const float* queries, std::int64_t dim, const float* keys, float* scores,
                              Prefetcher& prefetcher) {
  FloatVec sums[kRows][kVectors] = {};
  for (std::int64_t d = 0; d < dim; ++d) {
    prefetcher.fetch_next();
    FloatVec key[kVectors];
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) key[v] = load(keys + d * kTileKeys + v * kLanes);
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r) {
      const FloatVec query = splat(queries[r * dim + d]);
#pragma GCC unroll 8
      for (int v = 0; v < kVectors; ++v) sums[r][v] = sums[r][v] + query * key[v];
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) store(scores + r * kTileKeys + v * kLanes, sums[r][v]);
  }
}

// accumulator[r, v] = decay[r] accumulator[r, v] + sum over keys begin <= j < end of scores[r, j] values[j, v].
template <int kRows, int kVectors, typename T>
CONTLM_INLINE void accumulate_values(const float* scores, const float* decay, Rows keys, const T* values,
                                     std::int64_t value_stride, float* accumulator, std::int64_t accumulator_stride,
                                     Prefetcher& prefetcher) {
  FloatVec sums[kRows][kVectors];
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) {
      sums[r][v] = load(accumulator + r * accumulator_stride + v * kLanes) * decay[r];
    }
  }
  for (std::int64_t key = keys.begin; key < keys.end; ++key) {
    prefetcher.fetch_next();
    FloatVec value[kVectors];
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) value[v] = load(values + key * value_stride + v * kLanes);
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r) {
      const FloatVec weight = splat(scores[r * kTileKeys + key]);
#pragma GCC unroll 8
      for (int v = 0; v < kVectors; ++v) sums[r][v] = sums[r][v] + weight * value[v];
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) store(accumulator + r * accumulator_stride + v * kLanes, sums[r][v]);
  }
}

// Scores of the keys outside `seen` become -inf.
CONTLM_INLINE void mask_scores(float* scores, std::int64_t first, std::int64_t last, Rows seen) {
  IntVec lane_index;
  for (int i = 0; i < kLanes; ++i) lane_index[i] = i;
  for (std::int64_t v = first; v < last; ++v) {
    const IntVec key = lane_index + static_cast<std::int32_t>(v * kLanes);
    const IntVec visible = (key >= static_cast<std::int32_t>(seen.begin)) & (key < static_cast<std::int32_t>(seen.end));
    store(scores + v * kLanes, visible ? load(scores + v * kLanes) : splat(kNoScore));
  }
}

// Scores of one row -> weights exp(score - max), for the vectors [first, last) of the tile; keys outside `seen` weigh
// zero. Returns what the row's earlier sums must be multiplied by.
CONTLM_INLINE float softmax_step(float* scores, std::int64_t first, std::int64_t last, Rows seen, float& row_max,
                                 float* row_sum) {
  if (seen.begin > first * kLanes || seen.end < last * kLanes) mask_scores(scores, first, last, seen);
  FloatVec largest = splat(row_max);
  for (std::int64_t v = first; v < last; ++v) largest = max(load(scores + v * kLanes), largest);
  const float new_max = reduce_max(largest);
  float decay = 1.0f;
  if (new_max != row_max) {
    decay = exp_nonpositive(splat(row_max - new_max))[0];
    row_max = new_max;
  }
  FloatVec sum = load(row_sum) * decay;
  for (std::int64_t v = first; v < last; ++v) {
    const FloatVec weight = exp_nonpositive(load(scores + v * kLanes) - new_max);
    store(scores + v * kLanes, weight);
    sum = sum + weight;
  }
  store(row_sum, sum);
  return decay;
}

template <typename T>
struct TileView {
  std::int64_t position;  // of the tile's first key
  const T* values;
  std::int64_t value_stride;
};

// The part of `token`'s range that lies in the tile, relative to its first key.
CONTLM_INLINE Rows seen_keys(const AttentionArgs& args, std::int64_t token, std::int64_t position) {
  return {larger(args.key_begin[token] - position, 0), smaller(args.key_end[token] - position, kTileKeys)};
}

template <int kRows, typename T>
void attend_rows(const AttentionArgs& args, const AttentionBlock& block, BlockState& state, const TileView<T>& tile,
                 std::int64_t row) {
  const std::int64_t first_token = block.first_token + row / args.group;
  const std::int64_t last_token = block.first_token + (row + kRows - 1) / args.group;
  const Rows keys{seen_keys(args, first_token, tile.position).begin, seen_keys(args, last_token, tile.position).end};
  const std::int64_t first = keys.begin / kLanes, last = (keys.end + kLanes - 1) / kLanes;
  const float* queries = state.queries + row * state.dim;
  std::int64_t v = first;
  for (; v + kVectorTile <= last; v += kVectorTile) {
    score_tile<kRows, kVectorTile>(queries, state.dim, state.keys + v * kLanes, state.scores + v * kLanes,
                                   state.value_prefetcher);
  }
  for (; v < last; ++v) {
    score_tile<kRows, 1>(queries, state.dim, state.keys + v * kLanes, state.scores + v * kLanes,
                         state.value_prefetcher);
  }
  float decay[kRows];
  for (int r = 0; r < kRows; ++r) {
    const Rows seen = seen_keys(args, block.first_token + (row + r) / args.group, tile.position);
    decay[r] = softmax_step(state.scores + r * kTileKeys, first, last, seen, state.row_max[row + r],
                            state.row_sums + (row + r) * kLanes);
  }
  float* accumulator = state.accumulator + row * state.padded_dim;
  const std::int64_t vectors = (state.dim + kLanes - 1) / kLanes;
  for (v = 0; v + kVectorTile <= vectors; v += kVectorTile) {
    accumulate_values<kRows, kVectorTile, T>(state.scores, decay, keys, tile.values + v * kLanes, tile.value_stride,
                                             accumulator + v * kLanes, state.padded_dim, state.key_prefetcher);
  }
  for (; v < vectors; ++v) {
    accumulate_values<kRows, 1, T>(state.scores, decay, keys, tile.values + v * kLanes, tile.value_stride,
                                   accumulator + v * kLanes, state.padded_dim, state.key_prefetcher);
  }
}

template <typename T>
void attend_tile(const AttentionArgs& args, const AttentionBlock& block, BlockState& state, const TileView<T>& tile,
                 Rows rows) {
  std::int64_t row = rows.begin;
  for (; row + kRowTile <= rows.end; row += kRowTile) attend_rows<kRowTile, T>(args, block, state, tile, row);
  switch (rows.end - row) {
    case 5:
      return attend_rows<5, T>(args, block, state, tile, row);
    case 4:
      return attend_rows<4, T>(args, block, state, tile, row);
    case 3:
      return attend_rows<3, T>(args, block, state, tile, row);
    case 2:
      return attend_rows<2, T>(args, block, state, tile, row);
    case 1:
      return attend_rows<1, T>(args, block, state, tile, row);
    default:
      return;
  }
}

template <typename T>
void store_results(const AttentionArgs& args, const AttentionBlock& block, const BlockState& state) {
  for (std::int64_t row = 0; row < state.rows; ++row) {
    const std::int64_t token = block.first_token + row / args.group;
    const std::int64_t head = block.kv_head * args.group + row % args.group;
    T* out = static_cast<T*>(args.out) + (token * args.kv_heads * args.group + head) * args.head_dim;
    const float inverse = 1.0f / reduce_add(load(state.row_sums + row * kLanes));
    for_each_vec(state.dim, [&](std::int64_t d, auto lanes) __attribute__((always_inline)) {
      store(out + d, load(state.accumulator + row * state.padded_dim + d) * inverse, lanes);
    });
  }
}

// A block's keys or values: those of its slot and head, from position 0 on.
template <typename T>
CONTLM_INLINE const T* cached(const void* cache, const AttentionArgs& args, const AttentionBlock& block) {
  return static_cast<const T*>(cache) + args.slot[block.first_token] * args.slot_stride +
         block.kv_head * args.head_stride;
}

// The part of a tile that begins at `position`, up to `end`.
template <typename T>
CONTLM_INLINE Prefetcher tile_prefetcher(const T* from, std::int64_t position, std::int64_t end, std::int64_t dim) {
  return {from + position * dim, from + smaller(position + kTileKeys, end) * dim};
}

template <typename T>
Prefetcher first_keys_prefetcher(const AttentionArgs& args, const AttentionBlock& block) {
  const std::int64_t begin = args.key_begin[block.first_token] / kTileKeys * kTileKeys;
  const std::int64_t end = args.key_end[block.first_token + block.tokens - 1];
  return tile_prefetcher(cached<T>(args.k_cache, args, block), begin, end, args.head_dim);
}

template <typename T>
void attention_kernel(const AttentionArgs& args, const AttentionBlock& block, const AttentionBlock* next,
                      float* scratch) {
  const std::int64_t last_token = block.first_token + block.tokens - 1, dim = args.head_dim;
  const T* all_keys = cached<T>(args.k_cache, args, block);
  const T* all_values = cached<T>(args.v_cache, args, block);
  BlockState state = block_state(block.tokens * args.group, dim, scratch);
  load_queries<T>(args, block, state);

  const std::int64_t begin = args.key_begin[block.first_token], end = args.key_end[last_token];
  std::int64_t first_seeing = block.first_token, past_seeing = block.first_token;
  for (std::int64_t position = begin / kTileKeys * kTileKeys; position < end; position += kTileKeys) {
    // Ranges never fall from token to token, so those that meet this tile are neighbours.
    while (args.key_end[first_seeing] <= position) ++first_seeing;
    while (past_seeing <= last_token && args.key_begin[past_seeing] < position + kTileKeys) ++past_seeing;
    const Rows keys{larger(begin - position, 0), smaller(end - position, kTileKeys)};
    const Rows rows{(first_seeing - block.first_token) * args.group, (past_seeing - block.first_token) * args.group};
    const T* values = all_values + position * dim;
    state.value_prefetcher = tile_prefetcher(all_values, position, end, dim);
    if (position + kTileKeys < end) {
      state.key_prefetcher = tile_prefetcher(all_keys, position + kTileKeys, end, dim);
    } else {
      state.key_prefetcher = next != nullptr ? first_keys_prefetcher<T>(args, *next) : Prefetcher();
    }
    transpose_keys(all_keys + position * dim, keys.begin, keys.end, state);
    // Values of whole vectors serve as they lie, unless they would be widened again for each of several row tiles.
    if (dim % kLanes == 0 && (sizeof(T) == sizeof(float) || rows.end - rows.begin <= kRowTile)) {
      attend_tile<T>(args, block, state, {position, values, dim}, rows);
    } else {
      widen_values(values, keys.begin, keys.end, state);
      attend_tile<float>(args, block, state, {position, state.values, state.padded_dim}, rows);
    }
  }
  store_results<T>(args, block, state);
}

}  // namespace
}  // namespace contlm::kernels

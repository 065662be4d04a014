// What the CPU kernels offer: one struct of function pointers, filled once for each instruction set (isa_*.cpp) and
// chosen once (dispatch.cpp). Kernels see raw pointers; shapes are the ops' (csrc/ops/*.h). A kernel works on a range
// of rows or on one block, has no threads of its own and never throws: callers split the work. Strides count elements;
// the last dimension is always dense. Members of two take the storage of the activations as their index.
#pragma once

#include <cstdint>

namespace contlm::kernels {

struct Bfloat16 {
  std::uint16_t bits;
};

enum class Storage : int { kFloat32 = 0, kBfloat16 = 1 };

struct Rows {
  std::int64_t begin;
  std::int64_t end;
};

// A matrix of rows that start `stride` elements apart.
struct ConstRowsView {
  const void* data;
  std::int64_t stride;
};
struct RowsView {
  void* data;
  std::int64_t stride;
};

struct SiluMulArgs {
  ConstRowsView gate;
  ConstRowsView up;
  RowsView out;
  std::int64_t width;
};

struct ScaleLoraArgs {
  RowsView u;
  ConstRowsView coeffs;  // fp32
  const std::int32_t* anchor;
  const float* scaling;
  std::int64_t rank;
};

// RMSNorm where bias is null, else LayerNorm.
struct ResidualNormArgs {
  RowsView residual;  // fp32
  ConstRowsView y;    // data null: nothing to add
  Storage y_storage;
  const void* weight;
  const void* bias;
  Storage weight_storage;
  RowsView out;
  Storage out_storage;
  std::int64_t width;
  float eps;
};

// Heads of tokens: rows of one index t * heads + h.
struct HeadsView {
  void* data;
  std::int64_t token_stride;
  std::int64_t head_stride;
  std::int64_t heads;
  std::int64_t head_dim;
};

struct HeadRmsNormArgs {
  HeadsView x;
  const void* weight;
  Storage weight_storage;
  float eps;
};

struct RotaryArgs {
  HeadsView x;
  ConstRowsView cos;  // fp32 [T, head_dim / 2]
  ConstRowsView sin;
};

struct AttentionArgs {
  const void* q;
  std::int64_t q_token_stride;
  std::int64_t q_head_stride;
  const void* k_cache;  // [slots, heads, capacity, head_dim], the last two dense
  const void* v_cache;
  std::int64_t slot_stride;
  std::int64_t head_stride;
  const std::int32_t* slot;
  const std::int32_t* key_begin;  // [T], of the positions that a token sees
  const std::int32_t* key_end;
  void* out;  // [T, kv_heads * group * head_dim]
  std::int64_t kv_heads;
  std::int64_t group;
  std::int64_t head_dim;
  float scale;
};

// Consecutive tokens of one slot whose key ranges never fall back and leave no gap, and one kv head.
struct AttentionBlock {
  std::int64_t first_token;
  std::int64_t tokens;
  std::int64_t kv_head;
};

// Tokens a block may hold: enough rows to share each key and value that is read.
constexpr std::int64_t attention_block_tokens(std::int64_t group) { return group >= 48 ? 1 : 48 / group; }

// How many weights share one partial sum (exp_weights).
constexpr std::int64_t kWeightBlock = 256;

struct KernelTable {
  const char* name;
  void (*silu_mul[2])(const SiluMulArgs&, Rows);
  void (*scale_lora[2])(const ScaleLoraArgs&, Rows);
  void (*residual_norm)(const ResidualNormArgs&, Rows);
  void (*head_rms_norm[2])(const HeadRmsNormArgs&, Rows);
  void (*rotary[2])(const RotaryArgs&, Rows);
  // next: the block whose keys are fetched meanwhile, or none. scratch: attention_scratch_floats of them, aligned to 64
  // bytes, for this call alone.
  void (*attention[2])(const AttentionArgs&, const AttentionBlock&, const AttentionBlock* next, float* scratch);
  std::int64_t (*attention_scratch_floats)(std::int64_t head_dim, std::int64_t group);
  // The largest value; NaN never wins, -infinity where there is nothing else.
  float (*max_value)(const float* values, std::int64_t count);
  // The first position that holds `value`, or -1.
  std::int64_t (*find_first)(const float* values, std::int64_t count, float value);
  // weights[i] = exp((logits[i] - largest) * inverse_temperature); block_sums[b] is the sum of the b-th kWeightBlock of
  // them.
  void (*exp_weights)(const float* logits, std::int64_t count, float largest, float inverse_temperature, float* weights,
                      double* block_sums);
  // The positions of values >= bound, ascending, into `positions` (room for `count`); returns how many.
  std::int64_t (*select_at_least)(const float* values, std::int64_t count, float bound, std::int32_t* positions);
  // log sum_i exp(values[i]).
  double (*log_sum_exp[2])(const void* values, std::int64_t count);
};

extern const KernelTable kernels_default;
extern const KernelTable kernels_avx2;
extern const KernelTable kernels_avx512;

}  // namespace contlm::kernels

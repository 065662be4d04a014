// Fills the kernel table of one instruction set. Included by each isa_*.cpp, which CMake compiles with that set's
// flags, after it has defined CONTLM_ISA.
#pragma once

#include "kernels/cpu/activation_impl.h"
#include "kernels/cpu/attention_impl.h"
#include "kernels/cpu/lora_impl.h"
#include "kernels/cpu/loss_impl.h"
#include "kernels/cpu/norm_impl.h"
#include "kernels/cpu/rotary_impl.h"
#include "kernels/cpu/sampling_impl.h"

#define CONTLM_JOIN_(a, b) a##b
#define CONTLM_JOIN(a, b) CONTLM_JOIN_(a, b)
#define CONTLM_TEXT_(a) #a
#define CONTLM_TEXT(a) CONTLM_TEXT_(a)

namespace contlm::kernels {

extern const KernelTable CONTLM_JOIN(kernels_, CONTLM_ISA) = {
    .name = CONTLM_TEXT(CONTLM_ISA),
    .silu_mul = {silu_mul_kernel<float>, silu_mul_kernel<Bfloat16>},
    .scale_lora = {scale_lora_kernel<float>, scale_lora_kernel<Bfloat16>},
    .residual_norm = residual_norm_kernel,
    .head_rms_norm = {head_rms_norm_kernel<float>, head_rms_norm_kernel<Bfloat16>},
    .rotary = {rotary_kernel<float>, rotary_kernel<Bfloat16>},
    .attention = {attention_kernel<float>, attention_kernel<Bfloat16>},
    .attention_scratch_floats = attention_scratch_floats_kernel,
    .max_value = max_value_kernel,
    .find_first = find_first_kernel,
    .exp_weights = exp_weights_kernel,
    .select_at_least = select_at_least_kernel,
    .log_sum_exp = {log_sum_exp_kernel<float>, log_sum_exp_kernel<Bfloat16>},
};

}  // namespace contlm::kernels

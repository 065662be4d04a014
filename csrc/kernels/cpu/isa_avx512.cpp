#define CONTLM_ISA avx512
#include "kernels/cpu/isa_table.h"

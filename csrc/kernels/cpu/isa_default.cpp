#define CONTLM_ISA default
#include "kernels/cpu/isa_table.h"

// Which instruction set's kernels this process runs. Chosen once, at first use: the widest that the processor has, or
// the one that the environment variable CONTLM_CPU_CAPABILITY names.
#pragma once

#include <string>
#include <vector>

#include "kernels/cpu/kernel_table.h"

namespace contlm::kernels {

// Throws ValueError when CONTLM_CPU_CAPABILITY names none of cpu_capabilities().
const KernelTable& kernels();

// What this build holds and this processor runs, narrowest first.
std::vector<std::string> cpu_capabilities();

// Replaces the choice for the whole process; for tests, which run every set in one process. Throws ValueError as above.
void set_cpu_capability(const std::string& name);

}  // namespace contlm::kernels

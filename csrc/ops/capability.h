// Which instruction set's CPU kernels this process runs (kernels/cpu/dispatch.h), for build information and tests.
#pragma once

#include <string>
#include <vector>

namespace contlm::ops {

// The one in use. Throws ValueError when CONTLM_CPU_CAPABILITY names none of cpu_capabilities().
std::string cpu_capability();

// What this build holds and this processor runs, narrowest first.
std::vector<std::string> cpu_capabilities();

// Replaces the choice for the whole process; for tests.
void set_cpu_capability(const std::string& name);

}  // namespace contlm::ops

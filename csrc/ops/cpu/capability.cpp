#include "ops/capability.h"

#include "kernels/cpu/dispatch.h"

namespace contlm::ops {

std::string cpu_capability() { return kernels::kernels().name; }

std::vector<std::string> cpu_capabilities() { return kernels::cpu_capabilities(); }

void set_cpu_capability(const std::string& name) { kernels::set_cpu_capability(name); }

}  // namespace contlm::ops

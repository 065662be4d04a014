#include "kernels/cpu/dispatch.h"

#include <atomic>
#include <cstdlib>

#include "common/error.h"

namespace contlm::kernels {
namespace {

std::vector<const KernelTable*> runnable_tables() {
  std::vector<const KernelTable*> tables{&kernels_default};
#if defined(CONTLM_X86_KERNELS)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) tables.push_back(&kernels_avx2);
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512vl")) {
    tables.push_back(&kernels_avx512);
  }
#endif
  return tables;
}

const KernelTable* table_named(const std::string& name) {
  std::string choices;
  for (const KernelTable* table : runnable_tables()) {
    if (name == table->name) return table;
    choices += (choices.empty() ? "" : ", ") + std::string(table->name);
  }
  throw ValueError(message("CONTLM_CPU_CAPABILITY: must be one of what this processor runs (", choices, "), got '",
                           name, "'; unset it to let contlm choose"));
}

const KernelTable* first_choice() {
  const char* forced = std::getenv("CONTLM_CPU_CAPABILITY");
  return forced != nullptr && *forced != '\0' ? table_named(forced) : runnable_tables().back();
}

std::atomic<const KernelTable*> chosen{nullptr};

}  // namespace

const KernelTable& kernels() {
  const KernelTable* table = chosen.load(std::memory_order_relaxed);
  if (table == nullptr) [[unlikely]] {
    // Two threads that meet here choose alike.
    table = first_choice();
    chosen.store(table, std::memory_order_relaxed);
  }
  return *table;
}

std::vector<std::string> cpu_capabilities() {
  std::vector<std::string> names;
  for (const KernelTable* table : runnable_tables()) names.emplace_back(table->name);
  return names;
}

void set_cpu_capability(const std::string& name) { chosen.store(table_named(name), std::memory_order_relaxed); }

}  // namespace contlm::kernels

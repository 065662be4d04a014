// Threads for loops that are not matrix products. One OpenMP runtime serves these loops, ATen and oneDNN (the one that
// torch ships), so their pools do not fight over cores; `threads` of a call sets them all (the engine's CallScope).
#pragma once

#include <cstdint>

#include <omp.h>

namespace contlm {

// Calls body(begin, end) over disjoint ranges that cover [0, count). Runs inline where there is too little work for two
// threads (`grain` items each) or where the caller is already inside a parallel region. The split depends on the number
// of threads alone, and no body may depend on it: results must be the same for every split. Bodies must not throw.
template <typename Body>
void parallel_for(std::int64_t count, std::int64_t grain, const Body& body) {
  if (count <= 0) return;
  const std::int64_t wanted = grain > 0 ? (count + grain - 1) / grain : count;
  const std::int64_t threads =
      omp_in_parallel() ? 1 : (wanted < omp_get_max_threads() ? wanted : omp_get_max_threads());
  if (threads <= 1) {
    body(std::int64_t{0}, count);
    return;
  }
#pragma omp parallel num_threads(static_cast<int>(threads))
  {
    const std::int64_t team = omp_get_num_threads();
    const std::int64_t rank = omp_get_thread_num();
    const std::int64_t begin = count * rank / team;
    const std::int64_t end = count * (rank + 1) / team;
    if (begin < end) body(begin, end);
  }
}

}  // namespace contlm

// Fills uniforms on the device from the generator that the host uses, so that the shared header is compiled for both.
#include <cstdint>

#include "common/philox.h"

namespace contlm::kernels::cuda {

// out[i] = philox_uniform(seed, row_keys[i], step).
__global__ void philox_uniform_kernel(std::uint64_t seed, const std::uint64_t* row_keys, std::uint64_t step,
                                      double* out, std::int64_t count) {
  const std::int64_t i = static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (i < count) out[i] = philox_uniform(seed, row_keys[i], step);
}

}  // namespace contlm::kernels::cuda

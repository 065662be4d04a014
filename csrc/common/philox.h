// Philox4x32-10, the counter-based generator of Salmon et al., "Parallel Random Numbers: As Easy as 1, 2, 3" (SC 2011).
// A draw is a pure function of (seed, row key, step): a row draws the same numbers alone or in any batch, in any order,
// in any mode and with any number of threads. The same source serves host and device.
#pragma once

#include <array>
#include <cstdint>

#if defined(__CUDACC__)
#define CONTLM_HOST_DEVICE __host__ __device__
#else
#define CONTLM_HOST_DEVICE
#endif

namespace contlm {

struct PhiloxBlock {
  std::uint32_t word[4];
};

CONTLM_HOST_DEVICE inline PhiloxBlock philox_4x32_10(PhiloxBlock counter, std::uint32_t key0, std::uint32_t key1) {
  constexpr std::uint64_t kMultiplier0 = 0xD2511F53u;
  constexpr std::uint64_t kMultiplier1 = 0xCD9E8D57u;
  constexpr std::uint32_t kWeyl0 = 0x9E3779B9u;
  constexpr std::uint32_t kWeyl1 = 0xBB67AE85u;
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t product0 = kMultiplier0 * counter.word[0];
    const std::uint64_t product1 = kMultiplier1 * counter.word[2];
    counter = {
        {static_cast<std::uint32_t>(product1 >> 32) ^ counter.word[1] ^ key0, static_cast<std::uint32_t>(product1),
         static_cast<std::uint32_t>(product0 >> 32) ^ counter.word[3] ^ key1, static_cast<std::uint32_t>(product0)}};
    key0 += kWeyl0;
    key1 += kWeyl1;
  }
  return counter;
}

// A double in [0, 1) with 53 random bits. `seed` is the key; the counter holds the row key and the step.
CONTLM_HOST_DEVICE inline double philox_uniform(std::uint64_t seed, std::uint64_t row_key, std::uint64_t step) {
  const PhiloxBlock counter{{static_cast<std::uint32_t>(row_key), static_cast<std::uint32_t>(row_key >> 32),
                             static_cast<std::uint32_t>(step), static_cast<std::uint32_t>(step >> 32)}};
  const PhiloxBlock block =
      philox_4x32_10(counter, static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32));
  const std::uint64_t bits = (static_cast<std::uint64_t>(block.word[0]) << 32) | block.word[1];
  return static_cast<double>(bits >> 11) * 0x1.0p-53;
}

}  // namespace contlm

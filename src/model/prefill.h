// How much of a prompt goes through the decoder at a time.
#pragma once

#include <cstdint>

namespace ixc {

// Rows: enough to use the matrix kernels well, while the activations of the real size stay near
// 100 MB. No result depends on it.
inline constexpr int64_t kPrefillRows = 512;

}  // namespace ixc

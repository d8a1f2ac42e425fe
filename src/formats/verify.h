// A full reading of the weights, for who doubts a download: checksums and values.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "formats/checkpoint.h"

namespace ixc {

// Reads every byte of every file and returns one line for each thing found wrong: a zip entry of a
// .bin file that differs from its checksum, a float tensor with values that are not finite, a
// matrix that is zero throughout (what a broken download leaves; an adapter may be so before its
// training).
// `progress` (if set) is called with the bytes read so far.
std::vector<std::string> FindDefects(const Checkpoint& checkpoint,
                                     const std::function<void(uint64_t bytes)>& progress = {});

}  // namespace ixc

// A full reading of weight files, for who doubts a download: checksums and values.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "formats/tensor_file.h"

namespace ixc {

// One thing that is not as it should be.
struct Finding {
  bool is_error = true;  // else a warning: it may be meant so
  std::string where;     // path, or path and tensor
  std::string problem;
  std::string advice;  // what to do about it
};

// Reads every byte of a file and tells what is wrong: a zip entry of a .bin file that differs from
// its checksum, a float tensor with values that are not finite, a matrix that is zero throughout
// (what a broken download leaves; an adapter may be so before its training).
// `progress` (if set) is called with the bytes read so far of this file.
std::vector<Finding> VerifyValues(const TensorFile& file,
                                  const std::function<void(uint64_t bytes)>& progress = {});

}  // namespace ixc

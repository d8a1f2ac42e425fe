// PyTorch .bin files (torch.save of a state dict, zip container), read in place:
//   NAME/data.pkl     pickle of {tensor name: tensor}; a tensor is the call
//                     _rebuild_tensor_v2(storage, offset, size, stride, ...), its storage the
//                     persistent id ("storage", torch.HalfStorage, key, device, elements)
//   NAME/data/KEY     the raw little-endian bytes of a storage
//   NAME/byteorder    "little" (absent in older files)
// Nothing of the pickle is executed (unpickler.h).
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "formats/tensor_map.h"

namespace ixc {

// Whether the bytes begin as torch.save begins a file, in the zip or in the old format.
bool IsTorchBin(std::span<const std::byte> bytes);

// Parses a whole file; `where` names it in errors. Views point into `bytes`, and two tensors may
// share a storage. A transposed or otherwise strided tensor is copied in row-major order into
// `owned`; all copies together may not exceed the file's size. If the top level has a dict under
// "state_dict", that one is read. Values that are not tensors are listed in `ignored`.
TensorMap ParseTorchBin(std::span<const std::byte> bytes, const std::string& where);

}  // namespace ixc

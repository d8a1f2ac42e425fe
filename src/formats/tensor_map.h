// What a weight file holds once it is parsed: named views of its bytes. Both parsers (safetensors,
// torch .bin) fill this one structure.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "cpu/aligned_buffer.h"
#include "tensor/tensor.h"

namespace ixc {

struct NamedTensor {
  std::string name;
  TensorView view;
};

struct TensorMap {
  std::vector<NamedTensor> tensors;             // in the order of the file
  std::map<std::string, std::string> metadata;  // safetensors only
  std::vector<std::string> ignored;             // names of values that are not tensors (.bin only)
  std::vector<AlignedBuffer> owned;  // bytes of tensors that had to be copied (.bin only)
};

}  // namespace ixc

// safetensors: 8 bytes little-endian header size n, n bytes of JSON, then the tensors' bytes.
//   {"NAME": {"dtype": "F16", "shape": [2, 3], "data_offsets": [begin, end]}, ...,
//    "__metadata__": {"key": "value"}}
// Offsets count from the end of the header; tensors lie back to back and fill the file.
// Format: https://github.com/huggingface/safetensors (README, "Format").
#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "base/byte_sink.h"
#include "formats/tensor_map.h"

namespace ixc {

// Parses a whole file; the views point into `bytes`, in the order of their offsets. `where` names
// the file in errors: header too long or not JSON, unknown dtype, shape and offsets that disagree,
// overlaps, holes, bytes past the last tensor, a file that ends too early.
TensorMap ParseSafetensors(std::span<const std::byte> bytes, const std::string& where);

inline constexpr size_t kSafetensorsAlignment = 8;

// A tensor to be written. `write` hands over exactly shape x dtype bytes, in any portions, when
// its turn comes: a converter never holds more than one tensor.
struct TensorSource {
  std::string name;
  DType dtype = DType::kF32;
  std::vector<int64_t> shape;
  std::function<void(ByteSink& out)> write;

  uint64_t NumBytes() const;
};

// A source that writes the bytes of a view; they must outlive the call of WriteSafetensors.
TensorSource SourceOf(std::string name, const TensorView& view);

// Writes a whole file to `out`; `where` names it in errors. Tensors are laid out by falling element
// size and otherwise in the order given, so that each one is aligned in the file, as the format's
// own writer does. A name given twice is an error. The same tensors always give the same bytes.
// The first tensor starts at a multiple of `alignment` bytes, 8 as in the format's own writer.
void WriteSafetensors(ByteSink& out, const std::string& where, std::vector<TensorSource> tensors,
                      const std::map<std::string, std::string>& metadata = {},
                      size_t alignment = kSafetensorsAlignment);

// The same to a path, atomically: the file appears complete or not at all.
void WriteSafetensors(const std::filesystem::path& path, std::vector<TensorSource> tensors,
                      const std::map<std::string, std::string>& metadata = {},
                      size_t alignment = kSafetensorsAlignment);

}  // namespace ixc

#include "formats/verify.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <optional>

#include "base/error.h"
#include "base/half.h"
#include "formats/torch_bin.h"
#include "formats/zip_reader.h"

namespace ixc {
namespace {

struct BadValues {
  uint64_t count = 0;
  uint64_t first = 0;
};

template <typename T>
BadValues CountNonFinite(const TensorView& tensor) {
  BadValues bad;
  const uint64_t elements = static_cast<uint64_t>(tensor.NumElements());
  for (uint64_t i = 0; i < elements; ++i) {
    T value;
    std::memcpy(&value, tensor.data + i * sizeof(T), sizeof(T));
    if (std::isfinite(ToFloat(value))) continue;
    if (bad.count++ == 0) bad.first = i;
  }
  return bad;
}

BadValues CountNonFinite(const TensorView& tensor) {
  switch (tensor.dtype) {
    case DType::kF32:
      return CountNonFinite<float>(tensor);
    case DType::kF16:
      return CountNonFinite<Half>(tensor);
    case DType::kBF16:
      return CountNonFinite<BFloat16>(tensor);
    default:
      return {};
  }
}

// Vectors may well be zero (biases, offsets), also those stored as [n, 1].
bool IsMatrix(const TensorView& tensor) {
  return tensor.shape.size() >= 2 && tensor.shape[0] > 1 && tensor.shape[1] > 1 &&
         tensor.NumElements() > 0;
}

bool IsZeroThroughout(const TensorView& tensor) {
  const std::byte* end = tensor.data + tensor.NumBytes();
  return std::all_of(tensor.data, end, [](std::byte byte) { return byte == std::byte{0}; });
}

std::optional<std::string> DefectOf(const NamedTensor& tensor) {
  const TensorView& view = tensor.view;
  const BadValues bad = CountNonFinite(view);
  if (bad.count > 0) {
    return fmt::format("{} of {} values are not finite, the first is number {}", bad.count,
                       view.NumElements(), bad.first);
  }
  const bool adapter = tensor.name.find("Plora_") != tensor.name.npos;
  if (IsMatrix(view) && !adapter && IsZeroThroughout(view)) return "is zero throughout";
  return std::nullopt;
}

void FindBadChecksums(const TensorFile& file, std::vector<std::string>& defects) {
  if (!IsTorchBin(file.bytes())) return;
  for (const ZipEntry& entry : ReadZip(file.bytes(), file.path().string())) {
    if (CrcMatches(entry)) continue;
    defects.push_back(fmt::format("{}: '{}' does not have its checksum; download it again",
                                  file.path().string(), entry.name));
  }
}

}  // namespace

std::vector<std::string> FindDefects(const Checkpoint& checkpoint,
                                     const std::function<void(uint64_t bytes)>& progress) {
  std::vector<std::string> defects;
  uint64_t bytes = 0;
  for (const TensorFile* file : checkpoint.files()) {
    FindBadChecksums(*file, defects);
    for (const NamedTensor& tensor : file->contents().tensors) {
      if (const std::optional<std::string> defect = DefectOf(tensor)) {
        defects.push_back(
            fmt::format("{}: tensor '{}': {}", file->path().string(), tensor.name, *defect));
      }
      bytes += tensor.view.NumBytes();
      if (progress) progress(bytes);
    }
  }
  return defects;
}

}  // namespace ixc

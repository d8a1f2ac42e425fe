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

constexpr const char* kGetAgain = "download the file again";

struct BadValues {
  uint64_t nan = 0;
  uint64_t positive_infinity = 0;
  uint64_t negative_infinity = 0;
  uint64_t first = 0;

  uint64_t Count() const { return nan + positive_infinity + negative_infinity; }
};

template <typename T>
BadValues CountNonFinite(const TensorView& tensor) {
  BadValues bad;
  const uint64_t elements = static_cast<uint64_t>(tensor.NumElements());
  for (uint64_t i = 0; i < elements; ++i) {
    T stored;
    std::memcpy(&stored, tensor.data + i * sizeof(T), sizeof(T));
    const float value = ToFloat(stored);
    if (std::isfinite(value)) continue;
    if (bad.Count() == 0) bad.first = i;
    ++(std::isnan(value) ? bad.nan : value > 0 ? bad.positive_infinity : bad.negative_infinity);
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

std::optional<Finding> CheckTensor(const TensorFile& file, const NamedTensor& tensor) {
  const TensorView& view = tensor.view;
  const std::string where = fmt::format("{}: tensor '{}'", file.path().string(), tensor.name);
  const BadValues bad = CountNonFinite(view);
  if (bad.Count() > 0) {
    return Finding{
        true, where,
        fmt::format("{} of {} values are not finite ({} NaN, {} +inf, {} -inf), the first "
                    "is number {}",
                    bad.Count(), view.NumElements(), bad.nan, bad.positive_infinity,
                    bad.negative_infinity, bad.first),
        "download the file again, or convert it again from float32 or bfloat16"};
  }
  const bool adapter = tensor.name.find("Plora_") != tensor.name.npos;
  if (IsMatrix(view) && !adapter && IsZeroThroughout(view)) {
    return Finding{true, where, "is zero throughout", kGetAgain};
  }
  return std::nullopt;
}

}  // namespace

std::vector<Finding> VerifyValues(const TensorFile& file,
                                  const std::function<void(uint64_t bytes)>& progress) {
  std::vector<Finding> findings;
  const std::string path = file.path().string();
  if (IsTorchBin(file.bytes())) {
    for (const ZipEntry& entry : ReadZip(file.bytes(), path)) {
      if (CrcMatches(entry)) continue;
      findings.push_back(
          {true, path, fmt::format("'{}' does not have its checksum", entry.name), kGetAgain});
    }
  }
  uint64_t bytes = 0;
  for (const NamedTensor& tensor : file.contents().tensors) {
    if (auto finding = CheckTensor(file, tensor)) findings.push_back(*std::move(finding));
    bytes += tensor.view.NumBytes();
    file.Release({tensor.view.data, tensor.view.NumBytes()});
    if (progress) progress(bytes);
  }
  return findings;
}

}  // namespace ixc

#include "model/weight_source.h"

#include <algorithm>
#include <cmath>
#include <random>

#include "base/error.h"
#include "base/half.h"
#include "base/release_pages.h"
#include "formats/tensor_catalog.h"

namespace ixc {

uint64_t CheckpointWeights::total_bytes() const {
  uint64_t bytes = 0;
  for (const TensorFile* file : checkpoint_.files()) bytes += file->size();
  return bytes;
}

void CheckpointWeights::Release(const TensorView& tensor) const {
  const auto* end = tensor.data + tensor.NumBytes();
  for (const TensorFile* file : checkpoint_.files()) {  // .bin files own some tensors' bytes
    const std::span<const std::byte> bytes = file->bytes();
    if (tensor.data >= bytes.data() && end <= bytes.data() + bytes.size()) {
      ReleasePages({tensor.data, tensor.NumBytes()});
    }
  }
}

SyntheticWeights::SyntheticWeights(const ModelConfig& config, ModelKind kind, DType dtype)
    : dtype_(dtype) {
  AddTensors(config, kind);
  size_t largest = 0;
  for (const auto& [name, tensor] : tensors_) largest = std::max(largest, tensor.NumBytes());
  numbers_ = AlignedBuffer(largest);
  // A short period is enough for timing and quick to fill.
  constexpr size_t kPeriod = 65521;
  std::mt19937 random(1);
  std::vector<uint16_t> halves(kPeriod);
  std::vector<float> floats(kPeriod);
  for (size_t i = 0; i < kPeriod; ++i) {
    floats[i] = (static_cast<float>(random() >> 8) * 0x1p-24f - 0.5f) * 0.07f;
    halves[i] = dtype == DType::kBF16 ? ToBFloat16(floats[i]).bits : ToHalf(floats[i]).bits;
  }
  const auto fill = [&](auto* to, const auto& from, size_t count) {
    for (size_t i = 0; i < count; ++i) to[i] = from[i % kPeriod];
  };
  if (dtype == DType::kF32) {
    fill(reinterpret_cast<float*>(numbers_.data()), floats, largest / 4);
  } else {
    fill(reinterpret_cast<uint16_t*>(numbers_.data()), halves, largest / 2);
  }
  for (auto& [name, tensor] : tensors_) tensor.data = numbers_.data();
}

void SyntheticWeights::AddTensors(const ModelConfig& config, ModelKind kind) {
  constexpr int64_t kRank = 256;
  constexpr int64_t kHdQkvRank = 8;
  for (ExpectedTensor& tensor : ExpectedTensors(config, kind)) {
    const bool is_qkv = tensor.name.find("attention.wqkv.") != tensor.name.npos;
    const int64_t rank = kind == ModelKind::k4khd && is_qkv ? kHdQkvRank : kRank;
    std::replace(tensor.shape.begin(), tensor.shape.end(), kAnySize, rank);
    tensors_[tensor.name] = {dtype_, std::move(tensor.shape), nullptr};
  }
}

const TensorView* SyntheticWeights::Find(std::string_view name) const {
  const auto found = tensors_.find(name);
  return found == tensors_.end() ? nullptr : &found->second;
}

TensorView SyntheticWeights::Get(const std::string& name, const std::vector<int64_t>& shape) const {
  const TensorView* tensor = Find(name);
  if (tensor == nullptr || tensor->shape != shape) {
    Fail("synthetic model: no tensor '{}' of shape {}", name, ShapeString(shape));
  }
  return *tensor;
}

uint64_t SyntheticWeights::total_bytes() const {
  uint64_t bytes = 0;
  for (const auto& [name, tensor] : tensors_) bytes += tensor.NumBytes();
  return bytes;
}

}  // namespace ixc

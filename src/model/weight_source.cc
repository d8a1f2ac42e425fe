#include "model/weight_source.h"

#include <algorithm>
#include <cmath>
#include <random>

#include "base/error.h"
#include "base/half.h"
#include "base/release_pages.h"

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
  AddDecoder(config, kind);
  AddTower(config, kind);
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

void SyntheticWeights::Add(const std::string& name, std::vector<int64_t> shape) {
  tensors_[name] = {dtype_, std::move(shape), nullptr};
}

void SyntheticWeights::AddDecoder(const ModelConfig& config, ModelKind kind) {
  constexpr int64_t kRank = 256;
  const int64_t qkv_rank = kind == ModelKind::kVl ? kRank : 8;
  const int64_t hidden = config.hidden_size;
  const int64_t inner = config.intermediate_size;
  const int64_t qkv = (config.num_heads + 2 * config.num_kv_heads) * config.head_dim;
  Add("model.tok_embeddings.weight", {config.vocab_size, hidden});
  Add("model.norm.weight", {hidden});
  Add("output.weight", {config.vocab_size, hidden});
  for (int i = 0; i < config.num_layers; ++i) {
    const std::string prefix = "model.layers." + std::to_string(i) + ".";
    const auto linear = [&](const std::string& name, int64_t outputs, int64_t inputs,
                            int64_t rank) {
      Add(prefix + name + ".weight", {outputs, inputs});
      Add(prefix + name + ".Plora_A.weight", {rank, inputs});
      Add(prefix + name + ".Plora_B.weight", {outputs, rank});
    };
    Add(prefix + "attention_norm.weight", {hidden});
    Add(prefix + "ffn_norm.weight", {hidden});
    linear("attention.wqkv", qkv, hidden, qkv_rank);
    linear("attention.wo", hidden, hidden, kRank);
    linear("feed_forward.w1", inner, hidden, kRank);
    linear("feed_forward.w3", inner, hidden, kRank);
    linear("feed_forward.w2", hidden, inner, kRank);
  }
}

void SyntheticWeights::AddTower(const ModelConfig& config, ModelKind kind) {
  const VisionConfig& vision = config.vision;
  const int64_t width = vision.hidden_size;
  const int64_t side = ViewSize(kind, config) / vision.patch_size;
  const std::string tower = "vit.vision_tower.vision_model.";
  const auto norm = [&](const std::string& prefix) {
    Add(prefix + ".weight", {width});
    Add(prefix + ".bias", {width});
  };
  const auto linear = [&](const std::string& prefix, int64_t outputs, int64_t inputs) {
    Add(prefix + ".weight", {outputs, inputs});
    Add(prefix + ".bias", {outputs});
  };
  Add(tower + "embeddings.class_embedding", {width});
  Add(tower + "embeddings.patch_embedding.weight",
      {width, 3, vision.patch_size, vision.patch_size});
  Add(tower + "embeddings.position_embedding.weight", {side * side + 1, width});
  norm(tower + "pre_layrnorm");
  for (int i = 0; i < vision.num_layers; ++i) {
    const std::string prefix = tower + "encoder.layers." + std::to_string(i) + ".";
    norm(prefix + "layer_norm1");
    norm(prefix + "layer_norm2");
    for (const char* name : {"q_proj", "k_proj", "v_proj", "out_proj"}) {
      linear(prefix + "self_attn." + name, width, width);
    }
    linear(prefix + "mlp.fc1", vision.intermediate_size, width);
    linear(prefix + "mlp.fc2", width, vision.intermediate_size);
  }
  const int64_t merged = PatchMerge(kind) * PatchMerge(kind) * width;
  linear("vision_proj.0", config.hidden_size, merged);
  linear("vision_proj.2", config.hidden_size, config.hidden_size);
  if (kind != ModelKind::kVl) {
    Add("plora_sub_GN", {1, 1, 1, merged});
    Add("plora_glb_GN", {1, 1, merged});
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

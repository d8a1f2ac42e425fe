#include "formats/tensor_catalog.h"

#include <utility>

#include "formats/clip_tower.h"

namespace ixc {
namespace {

class Catalog {
 public:
  Catalog(const ModelConfig& config, ModelKind kind) : config_(config), kind_(kind) {}

  std::vector<ExpectedTensor> Make() {
    AddDecoder();
    AddTower();
    const int64_t merged = PatchMerge(kind_) * PatchMerge(kind_) * config_.vision.hidden_size;
    AddWithBias("vision_proj.0", {config_.hidden_size, merged});
    AddWithBias("vision_proj.2", {config_.hidden_size, config_.hidden_size});
    if (kind_ == ModelKind::k4khd) {
      Add("plora_sub_GN", {1, 1, 1, merged});
      Add("plora_glb_GN", {1, 1, merged});
    }
    return std::move(tensors_);
  }

 private:
  void Add(std::string name, std::vector<int64_t> shape) {
    tensors_.push_back({std::move(name), std::move(shape)});
  }

  void AddWithBias(const std::string& prefix, const std::vector<int64_t>& shape) {
    Add(prefix + ".weight", shape);
    Add(prefix + ".bias", {shape[0]});
  }

  void AddPartialLora(const std::string& prefix, int64_t outputs, int64_t inputs) {
    Add(prefix + ".weight", {outputs, inputs});
    Add(prefix + ".Plora_A.weight", {kAnySize, inputs});
    Add(prefix + ".Plora_B.weight", {outputs, kAnySize});
  }

  void AddDecoder() {
    const int64_t hidden = config_.hidden_size;
    const int64_t inner = config_.intermediate_size;
    const int64_t qkv = (config_.num_heads + 2 * config_.num_kv_heads) * config_.head_dim;
    Add("model.tok_embeddings.weight", {config_.vocab_size, hidden});
    for (int64_t i = 0; i < config_.num_layers; ++i) {
      const std::string prefix = "model.layers." + std::to_string(i) + ".";
      Add(prefix + "attention_norm.weight", {hidden});
      AddPartialLora(prefix + "attention.wqkv", qkv, hidden);
      AddPartialLora(prefix + "attention.wo", hidden, config_.num_heads * config_.head_dim);
      Add(prefix + "ffn_norm.weight", {hidden});
      AddPartialLora(prefix + "feed_forward.w1", inner, hidden);
      AddPartialLora(prefix + "feed_forward.w3", inner, hidden);
      AddPartialLora(prefix + "feed_forward.w2", hidden, inner);
    }
    Add("model.norm.weight", {hidden});
    Add("output.weight", {config_.vocab_size, hidden});
  }

  void AddTower() {
    const VisionConfig& vision = config_.vision;
    const int64_t width = vision.hidden_size;
    const int64_t side = ViewSize(kind_, config_) / vision.patch_size;
    const std::string tower(kTowerPrefix);
    Add(tower + "embeddings.class_embedding", {width});
    Add(tower + "embeddings.patch_embedding.weight",
        {width, 3, vision.patch_size, vision.patch_size});
    Add(kPositionTable, {side * side + 1, width});
    AddWithBias(tower + "pre_layrnorm", {width});
    for (int64_t i = 0; i < vision.num_layers; ++i) {
      const std::string prefix = tower + "encoder.layers." + std::to_string(i) + ".";
      AddWithBias(prefix + "layer_norm1", {width});
      for (const char* name : {"q_proj", "k_proj", "v_proj", "out_proj"}) {
        AddWithBias(prefix + "self_attn." + name, {width, width});
      }
      AddWithBias(prefix + "layer_norm2", {width});
      AddWithBias(prefix + "mlp.fc1", {vision.intermediate_size, width});
      AddWithBias(prefix + "mlp.fc2", {width, vision.intermediate_size});
    }
  }

  const ModelConfig& config_;
  ModelKind kind_;
  std::vector<ExpectedTensor> tensors_;
};

}  // namespace

std::vector<ExpectedTensor> ExpectedTensors(const ModelConfig& config, ModelKind kind) {
  return Catalog(config, kind).Make();
}

std::string LinearOf(std::string_view weight) {
  constexpr std::string_view kWeight = ".weight";
  if (weight.ends_with(kWeight)) weight.remove_suffix(kWeight.size());
  return std::string(weight);
}

}  // namespace ixc

#include "formats/clip_tower.h"

#include "base/error.h"
#include "base/json.h"

namespace ixc {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kPatchEmbedding = "vision_model.embeddings.patch_embedding.weight";

int64_t Dimension(const Checkpoint& checkpoint, std::string_view prefix, std::string_view name,
                  size_t axis) {
  const TensorView* tensor = checkpoint.Find(std::string(prefix) + std::string(name));
  return tensor != nullptr && axis < tensor->shape.size() ? tensor->shape[axis] : 0;
}

std::string Describe(int64_t width, int64_t mlp_width, int64_t layers, int64_t patch) {
  return fmt::format("{} layers of width {}, MLP {}, patches of {}", layers, width, mlp_width,
                     patch);
}

// The prefix up to and with "vision_model."
std::string FindPrefix(const Checkpoint& clip) {
  for (std::string_view name : clip.names()) {
    if (name.ends_with(kPatchEmbedding)) {
      return std::string(name.substr(0, name.size() - kPatchEmbedding.size())) + "vision_model.";
    }
  }
  const std::string where = clip.directory().string();
  if (clip.Find("visual.conv1.weight") != nullptr) {
    Fail(
        "{}: a CLIP model with OpenAI's or OpenCLIP's own tensor names; wanted the Hugging Face "
        "version, such as openai/clip-vit-large-patch14-336",
        where);
  }
  Fail(
      "{}: no CLIP vision tower in there (tensor '{}'); wanted a directory such as "
      "openai/clip-vit-large-patch14-336",
      where, kPatchEmbedding);
}

// What the tensors do not tell: heads and activation.
void CheckClipConfig(const fs::path& path, const VisionConfig& wanted) {
  std::error_code code;
  if (!fs::exists(path, code)) return;
  const Json json = ReadJsonFile(path);
  const JsonFields fields(json, path.string());
  const JsonFields vision = fields.Has("vision_config") ? fields.Object("vision_config") : fields;
  const int64_t heads = vision.IntegerOr("num_attention_heads", wanted.num_heads, kPositive);
  if (heads != wanted.num_heads) {
    vision.Reject("num_attention_heads",
                  fmt::format("{}, as the model's tower has", wanted.num_heads));
  }
  if (vision.StringOr("hidden_act", "quick_gelu") != "quick_gelu") {
    vision.Reject("hidden_act", "'quick_gelu', as the model's tower has");
  }
}

}  // namespace

std::optional<TowerShape> FindTower(const Checkpoint& checkpoint, std::string_view prefix) {
  TowerShape tower;
  tower.width = Dimension(checkpoint, prefix, "embeddings.patch_embedding.weight", 0);
  if (tower.width == 0) return std::nullopt;
  tower.patch_size = Dimension(checkpoint, prefix, "embeddings.patch_embedding.weight", 2);
  tower.positions = Dimension(checkpoint, prefix, "embeddings.position_embedding.weight", 0);
  tower.mlp_width = Dimension(checkpoint, prefix, "encoder.layers.0.mlp.fc1.weight", 0);
  const auto has_layer = [&](int64_t layer) {
    const std::string name = fmt::format("encoder.layers.{}.layer_norm1.weight", layer);
    return Dimension(checkpoint, prefix, name, 0) > 0;
  };
  while (has_layer(tower.num_layers)) ++tower.num_layers;
  return tower;
}

void CheckTower(const std::string& where, const TowerShape& tower, const VisionConfig& wanted) {
  if (tower.width == wanted.hidden_size && tower.mlp_width == wanted.intermediate_size &&
      tower.num_layers == wanted.num_layers && tower.patch_size == wanted.patch_size) {
    return;
  }
  Fail("{}: the wrong vision tower: {}; the model wants {}{}", where,
       Describe(tower.width, tower.mlp_width, tower.num_layers, tower.patch_size),
       Describe(wanted.hidden_size, wanted.intermediate_size, wanted.num_layers, wanted.patch_size),
       wanted.hidden_size == 1024 ? " (CLIP ViT-L/14-336)" : "");
}

void AdoptClipTower(const fs::path& directory, const VisionConfig& wanted, Checkpoint& checkpoint) {
  const Checkpoint clip = Checkpoint::Open(directory);
  const std::string prefix = FindPrefix(clip);
  CheckTower(directory.string(), *FindTower(clip, prefix), wanted);
  CheckClipConfig(directory / "config.json", wanted);
  checkpoint.AdoptMissing(clip, [&](std::string_view name) {
    return name.starts_with(prefix)
               ? std::string(kTowerPrefix) + std::string(name.substr(prefix.size()))
               : std::string();
  });
}

}  // namespace ixc

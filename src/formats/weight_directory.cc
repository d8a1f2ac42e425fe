#include "formats/weight_directory.h"

#include "base/error.h"
#include "formats/clip_tower.h"
#include "formats/foreign_model.h"
#include "formats/running_names.h"
#include "formats/staging_directory.h"

namespace ixc {
namespace {

namespace fs = std::filesystem;

constexpr const char* kLoraLinears[] = {"attention.wqkv", "attention.wo", "feed_forward.w1",
                                        "feed_forward.w3", "feed_forward.w2"};

// Partial LoRA under the name that the model has for it; empty for any other tensor.
std::string PartialLoraName(std::string_view name) {
  return name.find(".Plora_") == name.npos ? std::string() : std::string(WithoutPeftPrefix(name));
}

struct MissingAdapters {
  size_t count = 0;
  std::string first;
};

// Partial LoRA tensors that every checkpoint must have and this one has not.
MissingAdapters FindMissingAdapters(const ModelConfig& config, const Checkpoint& checkpoint) {
  MissingAdapters missing;
  for (int64_t layer = 0; layer < config.num_layers; ++layer) {
    for (const char* linear : kLoraLinears) {
      for (const char* side : {"A", "B"}) {
        std::string name = fmt::format("model.layers.{}.{}.Plora_{}.weight", layer, linear, side);
        if (checkpoint.Find(name) != nullptr) continue;
        if (missing.count++ == 0) missing.first = std::move(name);
      }
    }
  }
  return missing;
}

void UseCheckpointNames(WeightDirectory& directory) {
  directory.checkpoint.Rename(CheckpointName);
  if (!directory.quantization) return;
  decltype(directory.quantization->tags) tags;
  for (const auto& [name, tag] : directory.quantization->tags) {
    tags.emplace(CheckpointName(name), tag);
  }
  directory.quantization->tags = std::move(tags);
}

class Opener {
 public:
  Opener(const fs::path& directory, const WeightDirectoryOptions& options)
      : directory_(directory), options_(options) {}

  WeightDirectory Open() {
    result_.config = ReadModelConfig(directory_);
    const fs::path weights = WeightFolder(directory_);
    result_.quantization = ReadQuantDescription(weights, directory_);
    result_.checkpoint = Checkpoint::Open(weights);
    if (weights != directory_) UseCheckpointNames(result_);
    const auto other = IdentifyForeignModel(result_.checkpoint, result_.config.vision.patch_size);
    if (other) Fail("{}: this is {}; {}", directory_.string(), *other, kModelsThatRun);
    result_.lora = ReadLoraConfig(directory_);
    AddAdapters();
    AddTower();
    result_.kind =
        DetectModelKind(result_.config, result_.checkpoint,
                        {.ignore_adapters = lacks_adapters_, .ignore_positions = has_clip_tower_});
    return std::move(result_);
  }

 private:
  void AddAdapters() {
    const std::optional<fs::path> named = ReadLoraDirectory(directory_);
    std::error_code code;
    const bool elsewhere = named && !fs::equivalent(*named, directory_, code);
    if (elsewhere && LoraAdapter::IsAdapterDirectory(*named)) {
      OpenLora(*named);
    } else if (elsewhere && FindMissingAdapters(result_.config, result_.checkpoint).count > 0) {
      result_.checkpoint.AdoptMissing(Checkpoint::Open(*named), PartialLoraName);
      if (!result_.lora) result_.lora = ReadLoraConfig(*named);
    }
    if (!options_.lora_directory.empty()) {
      if (result_.lora_adapter) {
        Fail("{}: lora_adapter.json names '{}' and --lora '{}'; one adapter can be used",
             directory_.string(), named->string(), options_.lora_directory.string());
      }
      OpenLora(options_.lora_directory);
    }
    RequireAdapters(named);
  }

  // An adapter's file may bring the partial LoRA with it.
  void OpenLora(const fs::path& directory) {
    result_.lora_adapter = LoraAdapter::Open(directory, result_.config);
    const size_t adopted =
        result_.checkpoint.AdoptMissing(result_.lora_adapter->checkpoint(), PartialLoraName);
    if (adopted > 0 && !result_.lora) result_.lora = ReadLoraConfig(directory);
  }

  void RequireAdapters(const std::optional<fs::path>& named) {
    const MissingAdapters missing = FindMissingAdapters(result_.config, result_.checkpoint);
    if (missing.count == 0) return;
    if (!options_.allow_missing_adapters) {
      Fail(
          "{}: tensor '{}' is missing{}: an incomplete download, another model, or a quantized "
          "directory {}; --allow-missing-adapters runs without",
          directory_.string(), missing.first,
          missing.count > 1 ? fmt::format(" and {} more of partial LoRA", missing.count - 1) : "",
          named ? fmt::format("whose lora_adapter.json names '{}', where it is not either",
                              named->string())
                : "without a lora_adapter.json that names the float one");
    }
    lacks_adapters_ = true;
    result_.warnings.push_back(
        fmt::format("{}: {} tensors of partial LoRA are missing and count as zero: answers about "
                    "pictures will be worse or wrong",
                    directory_.string(), missing.count));
  }

  void AddTower() {
    const std::string where = directory_.string();
    const std::optional<TowerShape> own = FindTower(result_.checkpoint, kTowerPrefix);
    if (own) {
      CheckTower(where, *own, result_.config.vision);
      if (options_.vit_directory.empty()) return;
      result_.warnings.push_back(fmt::format(
          "{}: has a vision tower of its own, trained with the model; --vit-path is not used",
          where));
      return;
    }
    if (options_.vit_directory.empty()) {
      Fail(
          "{}: no vision tower (tensor '{}embeddings.patch_embedding.weight'): an incomplete "
          "download, or give a CLIP ViT-L/14-336 directory with --vit-path",
          where, kTowerPrefix);
    }
    AdoptClipTower(options_.vit_directory, result_.config.vision, result_.checkpoint);
    has_clip_tower_ = true;
  }

  const fs::path& directory_;
  const WeightDirectoryOptions& options_;
  WeightDirectory result_;
  bool lacks_adapters_ = false;
  bool has_clip_tower_ = false;
};

}  // namespace

fs::path WeightFolder(const fs::path& directory) {
  std::error_code code;
  if (fs::is_directory(directory / "part0-of-1", code)) return directory / "part0-of-1";
  for (const fs::directory_entry& entry : fs::directory_iterator(directory, code)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with("part0-of-") && entry.is_directory()) {
      Fail(
          "{}: the weights are split for {} ranks, this engine runs one; split them again for one "
          "(ixc compress --tp 1)",
          directory.string(), name.substr(std::string_view("part0-of-").size()));
    }
  }
  return directory;
}

WeightDirectory WeightDirectory::Open(const fs::path& directory,
                                      const WeightDirectoryOptions& options) {
  try {
    return Opener(directory, options).Open();
  } catch (const Error& error) {
    if (!StagingDirectory::IsUnfinished(directory)) throw;
    Fail(
        "{}: a conversion into this directory was interrupted; run the same 'ixc convert' again "
        "to finish it ({})",
        directory.string(), error.what());
  }
}

}  // namespace ixc

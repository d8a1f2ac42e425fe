#include "formats/weight_directory.h"

#include <string>

#include "base/error.h"
#include "formats/running_names.h"

namespace ixc {
namespace {

namespace fs = std::filesystem;

constexpr const char* kLoraLinears[] = {"attention.wqkv", "attention.wo", "feed_forward.w1",
                                        "feed_forward.w3", "feed_forward.w2"};

bool IsPartialLora(std::string_view name) { return name.find(".Plora_") != name.npos; }

// The first partial LoRA tensor that every checkpoint must have and this one has not.
std::optional<std::string> MissingAdapter(const ModelConfig& config, const Checkpoint& checkpoint) {
  for (int64_t layer = 0; layer < config.num_layers; ++layer) {
    for (const char* linear : kLoraLinears) {
      for (const char* side : {"A", "B"}) {
        std::string name = fmt::format("model.layers.{}.{}.Plora_{}.weight", layer, linear, side);
        if (checkpoint.Find(name) == nullptr) return name;
      }
    }
  }
  return std::nullopt;
}

// The folder that holds the weights: of a directory split for tensor parallelism, the one part.
fs::path WeightsIn(const fs::path& directory) {
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

void UseCheckpointNames(WeightDirectory& directory) {
  directory.checkpoint.Rename(CheckpointName);
  if (!directory.quantization) return;
  decltype(directory.quantization->tags) tags;
  for (const auto& [name, tag] : directory.quantization->tags) {
    tags.emplace(CheckpointName(name), tag);
  }
  directory.quantization->tags = std::move(tags);
}

}  // namespace

WeightDirectory WeightDirectory::Open(const std::filesystem::path& directory) {
  WeightDirectory result;
  result.config = ReadModelConfig(directory);
  const fs::path weights = WeightsIn(directory);
  result.quantization = ReadQuantDescription(weights, directory);
  result.checkpoint = Checkpoint::Open(weights);
  if (weights != directory) UseCheckpointNames(result);
  result.lora = ReadLoraConfig(directory);
  if (const auto missing = MissingAdapter(result.config, result.checkpoint)) {
    const auto adapters = ReadLoraDirectory(directory);
    if (!adapters) {
      Fail(
          "{}: tensor '{}' is missing: an incomplete download, another model, or a quantized "
          "directory without a lora_adapter.json that names the float one",
          directory.string(), *missing);
    }
    result.checkpoint.AdoptMissing(Checkpoint::Open(*adapters), IsPartialLora);
    if (!result.lora) result.lora = ReadLoraConfig(*adapters);
  }
  result.kind = DetectModelKind(result.config, result.checkpoint);
  return result;
}

}  // namespace ixc

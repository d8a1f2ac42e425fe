#include "formats/weight_directory.h"

#include <string>

#include "base/error.h"

namespace ixc {
namespace {

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

}  // namespace

WeightDirectory WeightDirectory::Open(const std::filesystem::path& directory) {
  WeightDirectory result;
  result.config = ReadModelConfig(directory);
  result.checkpoint = Checkpoint::Open(directory);
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

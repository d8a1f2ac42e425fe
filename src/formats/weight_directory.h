// A model directory as a whole: configuration, tensors, adapters, tower, kind.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "formats/checkpoint.h"
#include "formats/lora_adapter.h"
#include "formats/model_config.h"
#include "formats/model_kind.h"
#include "formats/quant_description.h"

namespace ixc {

struct WeightDirectoryOptions {
  // A CLIP directory whose tower stands in where the model's own directory has none. The original
  // does the same: it builds the tower from such a directory, then the model's own tensors replace
  // it, because they were trained further.
  std::filesystem::path vit_directory = {};
  std::filesystem::path lora_directory = {};  // ordinary LoRA on top; see lora_adapter.h
  bool allow_missing_adapters = false;        // partial LoRA that is nowhere counts as zero
};

// The folder that holds the weights: of a directory split for tensor parallelism, the one part;
// more parts than one are an error.
std::filesystem::path WeightFolder(const std::filesystem::path& directory);

struct WeightDirectory {
  ModelConfig config;
  Checkpoint checkpoint;
  std::optional<LoraConfig> lora;           // of adapter_config.json, for the partial LoRA
  std::optional<LoraAdapter> lora_adapter;  // ordinary LoRA, for all rows
  ModelKind kind = ModelKind::kVl;
  std::optional<QuantDescription> quantization;  // of a quantized directory
  std::vector<std::string> warnings;             // what a user should know; a line each

  // Partial LoRA tensors that the directory lacks (the original tool's quantized directories have
  // only those of the layers it left alone) come from the directory that lora_adapter.json names,
  // and so does adapter_config.json. Local files go first. If that directory holds ordinary LoRA
  // (adapter_model.safetensors), it is put on top instead.
  // Errors say what the directory is when it is another model, and when a conversion into it was
  // interrupted.
  static WeightDirectory Open(const std::filesystem::path& directory,
                              const WeightDirectoryOptions& options = {});
};

}  // namespace ixc

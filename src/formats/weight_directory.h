// A model directory as a whole: configuration, tensors, adapters, kind.
#pragma once

#include <filesystem>
#include <optional>

#include "formats/checkpoint.h"
#include "formats/model_config.h"
#include "formats/model_kind.h"
#include "formats/quant_description.h"

namespace ixc {

struct WeightDirectory {
  ModelConfig config;
  Checkpoint checkpoint;
  std::optional<LoraConfig> lora;  // of adapter_config.json
  ModelKind kind = ModelKind::kVl;
  std::optional<QuantDescription> quantization;  // of a quantized directory

  // The weights of a directory split for tensor parallelism are in its part0-of-1; more parts than
  // one are an error.
  //
  // Partial LoRA tensors that the directory lacks (the original tool's quantized directories have
  // only those of the layers it left alone) come from the directory that lora_adapter.json names,
  // and so does adapter_config.json. Local files go first.
  static WeightDirectory Open(const std::filesystem::path& directory);
};

}  // namespace ixc

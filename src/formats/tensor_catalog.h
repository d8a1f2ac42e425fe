// Every tensor that the models are made of, by name and shape.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "formats/model_config.h"
#include "formats/model_kind.h"

namespace ixc {

// In place of a size that the configuration does not tell: the ranks of partial LoRA.
inline constexpr int64_t kAnySize = -1;

struct ExpectedTensor {
  std::string name;
  std::vector<int64_t> shape;
};

// In the order: decoder, tower, projector, separators. The position table has the size that the
// model uses; a stored one of another square grid is resized while loading.
std::vector<ExpectedTensor> ExpectedTensors(const ModelConfig& config, ModelKind kind);

// "output.weight" -> "output": the linear that a weight belongs to.
std::string LinearOf(std::string_view weight);

inline constexpr char kPositionTable[] =
    "vit.vision_tower.vision_model.embeddings.position_embedding.weight";

}  // namespace ixc

// Vision towers: what one looks like from its tensors, and taking one from an original CLIP
// directory (openai/clip-vit-large-patch14-336 and the like).
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "formats/checkpoint.h"
#include "formats/model_config.h"

namespace ixc {

inline constexpr std::string_view kTowerPrefix = "vit.vision_tower.vision_model.";

// Sizes that the tensors tell; 0 where the tensor is missing.
struct TowerShape {
  int64_t width = 0;
  int64_t mlp_width = 0;
  int64_t num_layers = 0;
  int64_t patch_size = 0;
  int64_t positions = 0;  // rows of the table, the class row included
};

// Empty when there is no patch embedding under this prefix.
std::optional<TowerShape> FindTower(const Checkpoint& checkpoint, std::string_view prefix);

// Throws unless the tower has the sizes of the configuration; says what both are. The position
// table is not looked at: it can be resized.
void CheckTower(const std::string& where, const TowerShape& tower, const VisionConfig& wanted);

// Gives `checkpoint` the tower of a CLIP directory (a whole CLIP model or its vision half) under
// XComposer2's names. Tensors that it has already stay. Errors: no CLIP tower in there, one of
// another size or another activation.
void AdoptClipTower(const std::filesystem::path& directory, const VisionConfig& wanted,
                    Checkpoint& checkpoint);

}  // namespace ixc

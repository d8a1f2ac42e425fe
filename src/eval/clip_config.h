// open_clip_config.json: the shapes of an OpenCLIP model and how its pictures are prepared.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string_view>

#include "image/transform.h"
#include "model/encoder.h"
#include "model/vision_tower.h"

namespace ixc {

struct ClipConfig {
  int64_t embed_dim = 0;
  VisionTowerConfig image;
  int num_image_layers = 0;
  EncoderConfig text;
  int num_text_layers = 0;
  int64_t context_length = 77;
  int64_t vocab_size = 49408;
  ImageTransform transform;
};

// Throws for models of another family (ResNet, timm or Hugging Face towers, other poolings), naming
// the field. `where` names the text in errors.
ClipConfig ParseClipConfig(std::string_view text, const std::string& where);

// The config of a judge's directory: its open_clip_config.json, or ViT-H-14 when it has none.
ClipConfig ReadClipConfig(const std::filesystem::path& directory);

}  // namespace ixc

// Which of the two models a checkpoint is, and what follows from that alone.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "formats/checkpoint.h"
#include "formats/model_config.h"

namespace ixc {

enum class ModelKind { kVl, k4khd };

// "VL" or "4KHD".
const char* Name(ModelKind kind);

// Four signals of the tensors must agree; D and P are the tower's width and patch size:
//                                  VL                                4KHD
//   plora_glb_GN, plora_sub_GN     absent                            present
//   columns of vision_proj.0       D                                 4 D
//   rank of wqkv's Plora_A         equal to wo's                     below wo's
//   rows of the position table     (img_size / P)^2 + 1, or          (image_size / P)^2 + 1
//                                  4KHD's number (resized at load)
// Otherwise the error lists what each of them says. A checkpoint whose adapters lie in another
// directory must have adopted them. Signals that the options switch off count as either.
struct KindOptions {
  bool ignore_adapters = false;   // the checkpoint may lack them
  bool ignore_positions = false;  // the tower is not the checkpoint's own
};
ModelKind DetectModelKind(const ModelConfig& config, const Checkpoint& checkpoint,
                          const KindOptions& options = {});

// Factor of the partial LoRA of a linear ("attention.wqkv"): from adapter_config.json when there is
// one, else 2 for attention.wqkv of 4KHD and 1 for all others.
double LoraScale(ModelKind kind, const std::optional<LoraConfig>& lora, const std::string& linear);

// Side of a view in pixels: VL looks at one of img_size, 4KHD at views of the tower's own size.
int ViewSize(ModelKind kind, const ModelConfig& config);

// So many by so many patches make one image token.
int PatchMerge(ModelKind kind);

// The longest prompt in tokens, images included: max_length of config.json, else the original's
// 4096 (VL) or 16384 (4KHD).
int64_t MaxPromptTokens(ModelKind kind, const ModelConfig& config);

}  // namespace ixc

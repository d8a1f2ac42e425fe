#include "formats/model_kind.h"

#include <algorithm>
#include <iterator>

#include "base/error.h"

namespace ixc {
namespace {

// What one signal of the checkpoint allows, and in words what it saw.
struct Signal {
  bool vl = false;
  bool hd = false;
  std::string seen;
};

Signal Separators(const Checkpoint& checkpoint) {
  const bool global = checkpoint.Find("plora_glb_GN") != nullptr;
  const bool sub = checkpoint.Find("plora_sub_GN") != nullptr;
  const auto word = [](bool present) { return present ? "present" : "absent"; };
  return {!global && !sub, global && sub,
          fmt::format("plora_glb_GN {}, plora_sub_GN {}", word(global), word(sub))};
}

// Dimension `axis` of a tensor of rank 2, or 0.
int64_t Dimension(const Checkpoint& checkpoint, std::string_view name, size_t axis) {
  const TensorView* tensor = checkpoint.Find(name);
  return tensor != nullptr && tensor->shape.size() == 2 ? tensor->shape[axis] : 0;
}

Signal ProjectorColumns(const ModelConfig& config, const Checkpoint& checkpoint) {
  const int64_t columns = Dimension(checkpoint, "vision_proj.0.weight", 1);
  const int64_t width = config.vision.hidden_size;
  return {
      columns == width, columns == 4 * width,
      fmt::format("vision_proj.0.weight has {} columns for a tower of width {}", columns, width)};
}

Signal LoraRanks(const Checkpoint& checkpoint) {
  const auto rank = [&](const char* linear) {
    return Dimension(checkpoint, fmt::format("model.layers.0.attention.{}.Plora_A.weight", linear),
                     0);
  };
  const int64_t wqkv = rank("wqkv");
  const int64_t wo = rank("wo");
  return {wqkv > 0 && wqkv == wo, wqkv > 0 && wqkv < wo,
          fmt::format("Plora_A rank {} of wqkv, {} of wo", wqkv, wo)};
}

Signal PositionRows(const ModelConfig& config, const Checkpoint& checkpoint) {
  const int64_t rows = Dimension(
      checkpoint, "vit.vision_tower.vision_model.embeddings.position_embedding.weight", 0);
  const auto table = [&](int64_t pixels) {
    const int64_t side = pixels / config.vision.patch_size;
    return side * side + 1;
  };
  const int64_t vl = table(config.img_size);
  const int64_t native = table(config.vision.image_size);
  return {rows == vl || rows == native, rows == native,
          fmt::format("position table of {} rows (VL has {}, 4KHD {})", rows, vl, native)};
}

const char* Verdict(const Signal& signal) {
  if (signal.vl && signal.hd) return "either";
  if (signal.vl) return "VL";
  return signal.hd ? "4KHD" : "neither";
}

}  // namespace

const char* Name(ModelKind kind) { return kind == ModelKind::kVl ? "VL" : "4KHD"; }

ModelKind DetectModelKind(const ModelConfig& config, const Checkpoint& checkpoint,
                          const KindOptions& options) {
  Signal signals[] = {Separators(checkpoint), ProjectorColumns(config, checkpoint),
                      LoraRanks(checkpoint), PositionRows(config, checkpoint)};
  if (options.ignore_adapters) signals[2].vl = signals[2].hd = true;
  if (options.ignore_positions) signals[3].vl = signals[3].hd = true;
  if (std::all_of(std::begin(signals), std::end(signals), [](const Signal& s) { return s.vl; })) {
    return ModelKind::kVl;
  }
  if (std::all_of(std::begin(signals), std::end(signals), [](const Signal& s) { return s.hd; })) {
    return ModelKind::k4khd;
  }
  std::string list;
  for (const Signal& signal : signals) {
    list += fmt::format("; {}: {}", signal.seen, Verdict(signal));
  }
  Fail("{}: neither InternLM-XComposer2-VL nor 4KHD, the tensors disagree{}",
       checkpoint.directory().string(), list);
}

double LoraScale(ModelKind kind, const std::optional<LoraConfig>& lora, const std::string& linear) {
  if (lora) return lora->Scale(linear);
  return kind == ModelKind::k4khd && linear == "attention.wqkv" ? 2.0 : 1.0;
}

int ViewSize(ModelKind kind, const ModelConfig& config) {
  return static_cast<int>(kind == ModelKind::kVl ? config.img_size : config.vision.image_size);
}

int PatchMerge(ModelKind kind) { return kind == ModelKind::kVl ? 1 : 2; }

int64_t MaxPromptTokens(ModelKind kind, const ModelConfig& config) {
  return config.max_length.value_or(kind == ModelKind::kVl ? 4096 : 16384);
}

}  // namespace ixc

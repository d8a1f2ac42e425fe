#include "model/picture_plan.h"

#include <algorithm>

#include "model/prefill.h"

namespace ixc {

namespace {

// Only which separators there are counts here, not their values.
ImageLayout LayoutOf(ModelKind kind) {
  ImageLayout layout;
  layout.merge = PatchMerge(kind);
  if (kind == ModelKind::k4khd) layout.row_separator = layout.view_separator = {0.0f};
  return layout;
}

}  // namespace

ImageTransform TransformOf(ModelKind kind, const ModelConfig& config) {
  ImageTransform transform;
  transform.kind =
      kind == ModelKind::kVl ? ImageTransform::Kind::kSquare : ImageTransform::Kind::kTiles;
  transform.view_size = ViewSize(kind, config);
  return transform;
}

PicturePlan PlanPicture(ModelKind kind, const ModelConfig& config, int width, int height,
                        int hd_num) {
  PicturePlan plan;
  plan.width = width;
  plan.height = height;
  plan.transform = TransformOf(kind, config);
  if (plan.is_cut()) plan.geometry = PlanHd(width, height, hd_num, plan.transform.view_size);
  const ImageLayout layout = LayoutOf(kind);
  plan.patches_per_side = plan.transform.view_size / static_cast<int>(config.vision.patch_size);
  plan.cells_per_side = plan.patches_per_side / layout.merge;
  plan.has_separators = !layout.row_separator.empty();
  plan.image_tokens = NumImageTokens(layout, plan.grid(), plan.patches_per_side);
  return plan;
}

uint64_t PlanPictureBytes(const PicturePlan& plan, const ModelConfig& config,
                          int64_t prompt_tokens) {
  const int64_t hidden = config.hidden_size;
  const int64_t width = config.vision.hidden_size;
  const int64_t patches = int64_t{plan.patches_per_side} * plan.patches_per_side;
  const int64_t merged = width * (plan.patches_per_side / plan.cells_per_side) *
                         (plan.patches_per_side / plan.cells_per_side);
  const int64_t pixels = plan.num_views() * 3 * plan.transform.view_size * plan.transform.view_size;
  const int64_t features = plan.num_views() * patches * width;
  // Pixels and features stay until the projector has written its two layers.
  const int64_t projecting = pixels + features + plan.image_tokens * (merged + 2 * hidden);
  // The pictures' embeddings, the embedded prompt and one chunk on its way through a layer.
  const int64_t chunk = std::min(prompt_tokens, kPrefillRows);
  const int64_t reading = (plan.image_tokens + prompt_tokens) * hidden +
                          chunk * (4 * hidden + 3 * config.intermediate_size);
  return static_cast<uint64_t>(std::max(projecting, reading)) * sizeof(float);
}

}  // namespace ixc

// What a picture will become and cost, from the directory's JSON files and tensor headers and the
// picture's size: views, tokens, arithmetic, memory. Nothing is loaded.
#pragma once

#include <cstdint>

#include "image/hd_geometry.h"
#include "image/transform.h"
#include "model/census.h"
#include "model/image_tokens.h"

namespace ixc {

struct PicturePlan {
  int width = 0;  // of the picture as it came
  int height = 0;
  ImageTransform transform;
  HdGeometry geometry;       // kTiles only
  int patches_per_side = 0;  // of a view
  int cells_per_side = 0;    // of a view; a cell of merged patches is an image token
  bool has_separators = false;
  int64_t image_tokens = 0;

  bool is_cut() const { return transform.kind == ImageTransform::Kind::kTiles; }
  ViewGrid grid() const { return {geometry.tile_rows, geometry.tile_cols}; }
  int64_t num_views() const { return 1 + geometry.NumTiles(); }
};

ImageTransform TransformOf(ModelKind kind, const ModelConfig& config);

// Throws as PlanHd() does.
PicturePlan PlanPicture(ModelKind kind, const ModelConfig& config, int width, int height,
                        int hd_num);

// Bytes beyond weights, keys and values at the peak of a request with this picture: while the
// tower's features are projected, or while the prompt is read.
uint64_t PlanPictureBytes(const PicturePlan& plan, const ModelConfig& config,
                          int64_t prompt_tokens);

}  // namespace ixc

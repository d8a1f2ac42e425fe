// The CLIP vision transformer: pictures (views) in, one feature vector a patch out.
//
//   x = [class, patches] + positions;  x = pre_norm(x)
//   x = encoder(x)                       (encoder.h, with the quick GELU)
//
// The features are the last layer's output without the class row and without a final norm.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "model/encoder.h"

namespace ixc {

struct VisionTowerConfig {
  int64_t width = 0;
  int64_t mlp_width = 0;
  int num_heads = 0;
  int patch_size = 0;
  int view_size = 0;  // side of a view in pixels, a multiple of patch_size
  float layer_norm_eps = 1e-5f;
  Activation activation = Activation::kQuickGelu;

  int patches_per_side() const { return view_size / patch_size; }
  int64_t num_patches() const { return int64_t{patches_per_side()} * patches_per_side(); }
};

class VisionTower {
 public:
  struct Embeddings {
    std::vector<float> class_embedding;  // [width]
    PackedMatrix patch;                  // [width, 3 patch_size patch_size]
    std::vector<float> positions;        // [1 + num_patches, width]
    LayerNormWeights pre_norm;
  };

  VisionTower(const VisionTowerConfig& config, Embeddings embeddings,
              std::vector<EncoderLayer> layers);

  const VisionTowerConfig& config() const { return config_; }

  // pixels is [num_views, 3 * view_size * view_size], normalised, each view [3, size, size].
  // Returns [num_views * num_patches, width], views one after the other, patches row by row.
  // `progress` (if set) is called with the number of views done.
  Matrix Encode(ConstMatrixView pixels, const Compute& compute,
                const std::function<void(int views_done)>& progress) const;
  // The class rows instead: [num_views, width].
  Matrix EncodeClass(ConstMatrixView pixels, const Compute& compute) const;

  // The steps of Encode(), for callers that do other work in between. `rows` are those of some
  // views, class rows included: [num_views * (1 + num_patches), width].
  int num_layers() const { return static_cast<int>(layers_.size()); }
  Matrix EmbedViews(ConstMatrixView pixels, const Compute& compute) const;
  void RunLayers(int first, int count, int num_views, MatrixView rows,
                 const Compute& compute) const;
  // To features, [num_views * num_patches, width].
  void DropClassRows(ConstMatrixView rows, MatrixView features) const;

 private:
  // All rows of a few views: [views * (1 + num_patches), width].
  Matrix EncodeRows(ConstMatrixView pixels, const Compute& compute) const;

  VisionTowerConfig config_;
  Embeddings embeddings_;
  std::vector<EncoderLayer> layers_;
};

}  // namespace ixc

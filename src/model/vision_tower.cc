#include "model/vision_tower.h"

#include <algorithm>

namespace ixc {

namespace {

// Views that go through the tower together: enough rows for the matrix kernels, while activations
// stay small (4 views of 577 tokens are 9 MB a matrix at the real width).
constexpr int kViewsPerBatch = 4;

// One row a patch in the order of the convolution's weight: channel, y, x within the patch.
void CopyPatch(const float* view, int64_t patch, const VisionTowerConfig& config, float* row) {
  const int size = config.patch_size;
  const int64_t top = patch / config.patches_per_side() * size;
  const int64_t left = patch % config.patches_per_side() * size;
  for (int channel = 0; channel < 3; ++channel) {
    for (int y = 0; y < size; ++y) {
      const float* source =
          view + (int64_t{channel} * config.view_size + top + y) * config.view_size + left;
      row = std::copy_n(source, size, row);
    }
  }
}

}  // namespace

VisionTower::VisionTower(const VisionTowerConfig& config, Embeddings embeddings,
                         std::vector<EncoderLayer> layers)
    : config_(config), embeddings_(std::move(embeddings)), layers_(std::move(layers)) {}

Matrix VisionTower::EmbedViews(ConstMatrixView pixels, const Compute& compute) const {
  const int64_t num_patches = config_.num_patches();
  Matrix patches(num_patches, embeddings_.patch.k);
  Matrix hidden(pixels.rows * (num_patches + 1), config_.width);
  for (int64_t view = 0; view < pixels.rows; ++view) {
    const float* picture = pixels.Row(view);
    compute.pool->ParallelFor(num_patches, 64, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) CopyPatch(picture, i, config_, patches.Row(i));
    });
    // Start from the positions, then add the class embedding and the projected patches to them.
    const MatrixView rows = hidden.View().Rows(view * (num_patches + 1), num_patches + 1);
    std::copy(embeddings_.positions.begin(), embeddings_.positions.end(), rows.data);
    for (int64_t i = 0; i < config_.width; ++i) {
      rows.data[i] += embeddings_.class_embedding[static_cast<size_t>(i)];
    }
    GemmEpilogue add;
    add.accumulate = true;
    Gemm(patches, embeddings_.patch, rows.Rows(1, num_patches), add, compute);
  }
  Norm(hidden, embeddings_.pre_norm, config_.layer_norm_eps, hidden, compute);
  return hidden;
}

void VisionTower::RunLayers(int first, int count, int num_views, MatrixView rows,
                            const Compute& compute) const {
  EncoderConfig encoder;
  encoder.width = config_.width;
  encoder.mlp_width = config_.mlp_width;
  encoder.num_heads = config_.num_heads;
  encoder.layer_norm_eps = config_.layer_norm_eps;
  encoder.activation = config_.activation;
  const auto layers =
      std::span(layers_).subspan(static_cast<size_t>(first), static_cast<size_t>(count));
  RunEncoder(encoder, layers, num_views, rows, compute);
}

void VisionTower::DropClassRows(ConstMatrixView rows, MatrixView features) const {
  const int64_t num_patches = config_.num_patches();
  for (int64_t view = 0; view < rows.rows / (num_patches + 1); ++view) {
    std::copy_n(rows.Row(view * (num_patches + 1) + 1), num_patches * config_.width,
                features.Row(view * num_patches));
  }
}

Matrix VisionTower::EncodeRows(ConstMatrixView pixels, const Compute& compute) const {
  Matrix rows = EmbedViews(pixels, compute);
  RunLayers(0, num_layers(), static_cast<int>(pixels.rows), rows, compute);
  return rows;
}

Matrix VisionTower::Encode(ConstMatrixView pixels, const Compute& compute,
                           const std::function<void(int views_done)>& progress) const {
  const int64_t num_patches = config_.num_patches();
  const int num_views = static_cast<int>(pixels.rows);
  Matrix features(num_views * num_patches, config_.width);
  for (int first = 0; first < num_views; first += kViewsPerBatch) {
    const int count = std::min(kViewsPerBatch, num_views - first);
    const Matrix rows = EncodeRows(pixels.Rows(first, count), compute);
    DropClassRows(rows, features.View().Rows(first * num_patches, count * num_patches));
    if (progress) progress(first + count);
  }
  return features;
}

Matrix VisionTower::EncodeClass(ConstMatrixView pixels, const Compute& compute) const {
  Matrix classes(pixels.rows, config_.width);
  for (int64_t first = 0; first < pixels.rows; first += kViewsPerBatch) {
    const int64_t count = std::min<int64_t>(kViewsPerBatch, pixels.rows - first);
    const Matrix rows = EncodeRows(pixels.Rows(first, count), compute);
    for (int64_t view = 0; view < count; ++view) {
      std::copy_n(rows.Row(view * (config_.num_patches() + 1)), config_.width,
                  classes.Row(first + view));
    }
  }
  return classes;
}

}  // namespace ixc

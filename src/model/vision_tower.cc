#include "model/vision_tower.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "kernels/attention/attention.h"
#include "kernels/norm/norm.h"

namespace ixc {

namespace {

// Views that go through the tower together: enough rows for the matrix kernels, while activations
// stay small (4 views of 577 tokens are 9 MB a matrix at the real width).
constexpr int kViewsPerBatch = 4;

void Norm(ConstMatrixView x, const LayerNormWeights& norm, float eps, MatrixView y,
          const Compute& compute) {
  LayerNorm(x, norm.weight.data(), norm.bias.data(), eps, y, compute);
}

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

struct VisionTower::Workspace {
  Workspace(const VisionTowerConfig& config, Matrix embedded, int views)
      : num_views(views),
        num_tokens(config.num_patches() + 1),
        hidden(std::move(embedded)),
        normed(hidden.rows(), config.width),
        qkv(hidden.rows(), 3 * config.width),
        context(hidden.rows(), config.width),
        mlp(hidden.rows(), config.mlp_width) {
    kv.num_kv_heads = config.num_heads;
    kv.head_dim = static_cast<int>(config.width / config.num_heads);
    kv.dtype = DType::kF32;
    const int64_t num_blocks = (num_tokens + kKeyBlock - 1) / kKeyBlock;
    kv_storage = AlignedBuffer(static_cast<size_t>(num_blocks) * kv.BlockBytes());
    for (int64_t i = 0; i < num_blocks; ++i) {
      blocks.push_back(kv_storage.data() + static_cast<size_t>(i) * kv.BlockBytes());
    }
  }

  int num_views;
  int64_t num_tokens;  // a view, the class token included
  Matrix hidden, normed, qkv, context, mlp;
  KvShape kv;
  AlignedBuffer kv_storage;  // keys and values of one view
  std::vector<std::byte*> blocks;
};

VisionTower::VisionTower(const VisionTowerConfig& config, Embeddings embeddings,
                         std::vector<VisionLayer> layers)
    : config_(config), embeddings_(std::move(embeddings)), layers_(std::move(layers)) {}

Matrix VisionTower::EmbedPatches(ConstMatrixView pixels, const Compute& compute) const {
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

void VisionTower::AttentionBlock(const VisionLayer& layer, Workspace& work,
                                 const Compute& compute) const {
  Norm(work.hidden, layer.norm1, config_.layer_norm_eps, work.normed, compute);
  layer.qkv.Apply(work.normed, work.qkv, Activation::kNone, compute);

  AttentionArgs attention;
  attention.kv = work.kv;
  attention.blocks = work.blocks;
  attention.num_heads = config_.num_heads;
  attention.num_keys = work.num_tokens;
  attention.causal = false;
  attention.scale = 1.0f / std::sqrt(static_cast<float>(work.kv.head_dim));
  for (int view = 0; view < work.num_views; ++view) {
    const int64_t first = view * work.num_tokens;
    const MatrixView qkv = work.qkv.View().Rows(first, work.num_tokens);
    StoreKeysValues(work.kv, qkv.Cols(config_.width, config_.width),
                    qkv.Cols(2 * config_.width, config_.width), 0, work.blocks, compute);
    Attention(attention, qkv.Cols(0, config_.width),
              work.context.View().Rows(first, work.num_tokens), compute);
  }
  layer.out.AddTo(work.context, work.hidden, compute);
}

void VisionTower::FeedForward(const VisionLayer& layer, Workspace& work,
                              const Compute& compute) const {
  Norm(work.hidden, layer.norm2, config_.layer_norm_eps, work.normed, compute);
  layer.fc1.Apply(work.normed, work.mlp, Activation::kQuickGelu, compute);
  layer.fc2.AddTo(work.mlp, work.hidden, compute);
}

Matrix VisionTower::Encode(ConstMatrixView pixels, const Compute& compute,
                           const std::function<void(int views_done)>& progress) const {
  const int64_t num_patches = config_.num_patches();
  const int num_views = static_cast<int>(pixels.rows);
  Matrix features(num_views * num_patches, config_.width);
  for (int first = 0; first < num_views; first += kViewsPerBatch) {
    const int count = std::min(kViewsPerBatch, num_views - first);
    Workspace work(config_, EmbedPatches(pixels.Rows(first, count), compute), count);
    for (const VisionLayer& layer : layers_) {
      AttentionBlock(layer, work, compute);
      FeedForward(layer, work, compute);
    }
    for (int view = 0; view < count; ++view) {  // drop each view's class row
      std::copy_n(work.hidden.Row(view * work.num_tokens + 1), num_patches * config_.width,
                  features.Row((first + view) * num_patches));
    }
    if (progress) progress(first + count);
  }
  return features;
}

}  // namespace ixc

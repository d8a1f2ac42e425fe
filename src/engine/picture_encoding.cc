#include "engine/picture_encoding.h"

#include <algorithm>
#include <cmath>

namespace ixc {

namespace {

// Enough rows for the matrix kernels, a tenth of a second at the real width on two cores.
constexpr int64_t kProjectedTokens = 256;

}  // namespace

void PictureEncoding::Advance(const Pipeline& pipeline, double seconds) {
  const auto begin = Clock::now();
  do {
    switch (stage_) {
      case Stage::kTransform:
        Transform(pipeline);
        break;
      case Stage::kTower:
        RunLayers(pipeline, seconds - SecondsSince(begin));
        break;
      case Stage::kProjector:
        ProjectTokens(pipeline);
        break;
      case Stage::kDone:
        return;
    }
  } while (SecondsSince(begin) < seconds);
}

void PictureEncoding::Transform(const Pipeline& pipeline) {
  prepared_ = PrepareImage(image_, pipeline.image_transform(), hd_num_, pipeline.compute());
  image_ = {};
  const VisionTowerConfig& config = pipeline.model().tower().config();
  features_ = Matrix(prepared_.num_views() * config.num_patches(), config.width);
  stage_ = Stage::kTower;
}

void PictureEncoding::RunLayers(const Pipeline& pipeline, double seconds) {
  const VisionTower& tower = pipeline.model().tower();
  const Compute& compute = pipeline.compute();
  if (layer_ == 0) {
    const ConstMatrixView pixels = prepared_.pixels;
    rows_ = tower.EmbedViews(pixels.Rows(view_, 1), compute);
  }
  const int left = tower.num_layers() - layer_;
  const double fit = layer_seconds_ > 0 ? std::round(seconds / layer_seconds_) : 1;
  const int count = static_cast<int>(std::clamp<double>(fit, 1, left));
  const auto begin = Clock::now();
  tower.RunLayers(layer_, count, 1, rows_, compute);
  layer_seconds_ = SecondsSince(begin) / count;
  layer_ += count;
  if (layer_ < tower.num_layers()) return;
  const int64_t patches = tower.config().num_patches();
  tower.DropClassRows(rows_, features_.View().Rows(view_ * patches, patches));
  layer_ = 0;
  if (++view_ < prepared_.num_views()) return;
  tokens_ = pipeline.model().ImageTokens(features_, {prepared_.tile_rows, prepared_.tile_cols});
  projected_ = std::make_shared<Matrix>(tokens_.rows(), pipeline.model().config().hidden_size);
  prepared_ = {};
  rows_ = {};
  features_ = {};
  stage_ = Stage::kProjector;
}

void PictureEncoding::ProjectTokens(const Pipeline& pipeline) {
  const int64_t count = std::min(kProjectedTokens, tokens_.rows() - token_);
  const ConstMatrixView tokens = tokens_;
  pipeline.model().Project(tokens.Rows(token_, count), projected_->View().Rows(token_, count),
                           pipeline.compute());
  token_ += count;
  if (token_ < tokens_.rows()) return;
  embeds_ = std::move(projected_);
  tokens_ = {};
  stage_ = Stage::kDone;
}

}  // namespace ixc

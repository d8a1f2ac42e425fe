#include "engine/picture_encoding.h"

#include <algorithm>

namespace ixc {

namespace {

// Of a piece: what the tower takes at once. At the real width this is less work than a chunk of a
// prompt.
constexpr int kViewsOfPiece = 4;

}  // namespace

void PictureEncoding::Advance(const Pipeline& pipeline) {
  if (is_done()) return;
  if (views_done_ == 0) {
    work_.prepared = PrepareImage(image_, pipeline.image_transform(), hd_num_, pipeline.compute());
    image_ = {};
  }
  const int num_views = work_.prepared.num_views();
  const bool only_projection_left = views_done_ == num_views;
  if (!only_projection_left) EncodeViews(pipeline);
  if (only_projection_left || num_views <= kViewsOfPiece) {
    embeds_ = std::make_shared<const Matrix>(pipeline.Project(work_));
    work_ = {};
  }
}

void PictureEncoding::EncodeViews(const Pipeline& pipeline) {
  const VisionTower& tower = pipeline.model().tower();
  const ConstMatrixView pixels = work_.prepared.pixels;
  const int count = std::min(kViewsOfPiece, work_.prepared.num_views() - views_done_);
  const int64_t patches = tower.config().num_patches();
  if (views_done_ == 0) work_.features = Matrix(pixels.rows * patches, tower.config().width);
  const Matrix features = tower.Encode(pixels.Rows(views_done_, count), pipeline.compute(), {});
  std::copy_n(features.data(), features.rows() * features.cols(),
              work_.features.Row(views_done_ * patches));
  views_done_ += count;
}

}  // namespace ixc

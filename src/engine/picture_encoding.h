// A picture on its way through transform, tower and projector, a piece at a time, so that other
// work can go on in between. The embeddings are those of Pipeline::EncodePicture().
#pragma once

#include <memory>

#include "base/clock.h"
#include "engine/pipeline.h"

namespace ixc {

class PictureEncoding {
 public:
  PictureEncoding(Image image, int hd_num) : image_(std::move(image)), hd_num_(hd_num) {}
  // One that is done already.
  explicit PictureEncoding(std::shared_ptr<const Matrix> embeds)
      : stage_(Stage::kDone), embeds_(std::move(embeds)) {}

  // Goes on for about so many seconds, at least one piece: the transform, a layer of the tower on
  // one view, or the projection of some tokens.
  void Advance(const Pipeline& pipeline, double seconds);
  bool is_done() const { return embeds_ != nullptr; }
  // [image tokens, hidden], null until it is done.
  const std::shared_ptr<const Matrix>& embeds() const { return embeds_; }

 private:
  enum class Stage { kTransform, kTower, kProjector, kDone };

  void Transform(const Pipeline& pipeline);
  void RunLayers(const Pipeline& pipeline, double seconds);
  void ProjectTokens(const Pipeline& pipeline);

  Stage stage_ = Stage::kTransform;
  Image image_;
  int hd_num_ = 0;
  // Tower: views before view_ are in features_, the rows of view_ have passed the layers before
  // layer_.
  PreparedImage prepared_;
  Matrix features_;  // [views * patches, width]
  Matrix rows_;
  int view_ = 0;
  int layer_ = 0;
  double layer_seconds_ = 0;  // of the last layers, each
  // Projector: tokens before token_ are in projected_.
  Matrix tokens_;
  std::shared_ptr<Matrix> projected_;
  int64_t token_ = 0;
  std::shared_ptr<const Matrix> embeds_;
};

}  // namespace ixc

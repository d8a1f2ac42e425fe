// A picture on its way through transform, tower and projector, a piece at a time, so that other
// work can go on in between. The embeddings are those of Pipeline::EncodePicture().
#pragma once

#include <memory>

#include "engine/pipeline.h"

namespace ixc {

class PictureEncoding {
 public:
  PictureEncoding(Image image, int hd_num) : image_(std::move(image)), hd_num_(hd_num) {}
  // One that is done already.
  explicit PictureEncoding(std::shared_ptr<const Matrix> embeds) : embeds_(std::move(embeds)) {}

  // Does the next piece: a few views, or, after several such pieces, the projection.
  void Advance(const Pipeline& pipeline);
  bool is_done() const { return embeds_ != nullptr; }
  // [image tokens, hidden], null until it is done.
  const std::shared_ptr<const Matrix>& embeds() const { return embeds_; }

 private:
  void EncodeViews(const Pipeline& pipeline);

  Image image_;
  int hd_num_ = 0;
  EncodedPicture work_;
  int views_done_ = 0;
  std::shared_ptr<const Matrix> embeds_;
};

}  // namespace ixc

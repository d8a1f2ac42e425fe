// From a decoded picture to the float tensor that enters the vision tower.
//
//   kSquare (VL): resized to one view of view_size x view_size, bicubic, aspect ratio not kept.
//   kCentreCrop (CLIP judge): the shorter side resized to view_size (bicubic), the longer one in
//     proportion and rounded down; the square in the middle is kept.
//   kTiles (4KHD): resized (bilinear), padded with white and cut by hd_geometry.h. View 0 is the
//     whole padded picture shrunk to one view (PyTorch's bicubic on the normalised values), views
//     1 … are the tiles, row by row.
//
// Values are (v / 255 - mean) / std in float32, channels R, G, B.
#pragma once

#include <array>
#include <cstdint>

#include "image/hd_geometry.h"
#include "image/image.h"
#include "kernels/compute.h"
#include "tensor/tensor.h"

namespace ixc {

struct ImageTransform {
  enum class Kind : uint8_t { kSquare, kTiles, kCentreCrop };
  Kind kind = Kind::kSquare;
  int view_size = 0;  // side of a view in pixels, from the tower's config
  // CLIP's training statistics; both models keep them.
  std::array<float, 3> mean = {0.48145466f, 0.4578275f, 0.40821073f};
  std::array<float, 3> std = {0.26862954f, 0.26130258f, 0.27577711f};
};

struct PreparedImage {
  int view_size = 0;
  int tile_rows = 0;  // kTiles: the grid behind view 0; else 0 x 0
  int tile_cols = 0;
  Matrix
      pixels;  // [1 + tile_rows * tile_cols, 3 * view_size * view_size], each view [3, size, size]

  int num_views() const { return static_cast<int>(pixels.rows()); }
};

// hd_num is the most tiles allowed; used by kTiles only. Throws as PlanHd() does.
PreparedImage PrepareImage(const Image& image, const ImageTransform& transform, int hd_num,
                           const Compute& compute);

// The 8-bit picture that kSquare normalises: size x size.
Image ResizeToSquare(const Image& image, int size, const Compute& compute);

// The 8-bit picture that kCentreCrop normalises: size x size.
Image CropToSquare(const Image& image, int size, const Compute& compute);

// The 8-bit picture that kTiles normalises and cuts: [tile_rows * tile, tile_cols * tile].
Image ArrangeTiles(const Image& image, const HdGeometry& geometry, const Compute& compute);

}  // namespace ixc

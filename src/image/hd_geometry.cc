#include "image/hd_geometry.h"

#include <cmath>
#include <utility>

#include "base/error.h"

namespace ixc {

HdGeometry PlanHd(int width, int height, int hd_num, int tile) {
  if (hd_num < 1 || hd_num > kMaxHdNum) {
    Fail("hd_num is {}; wanted 1 to {} (the model's default is 25)", hd_num, kMaxHdNum);
  }
  HdGeometry geometry;
  geometry.transposed = width < height;
  const double long_side = geometry.transposed ? height : width;
  const double short_side = geometry.transposed ? width : height;
  // In double and in this order: the roundings decide at the edges.
  const double ratio = long_side / short_side;
  int scale = 1;
  while ((scale + 1) * std::ceil((scale + 1) / ratio) <= hd_num) ++scale;
  geometry.resized_width = tile * scale;
  geometry.resized_height = static_cast<int>(geometry.resized_width / ratio);
  if (geometry.resized_height < 1) {
    Fail(
        "a picture of {} x {} pixels is too long for hd_num {}: at {} pixels length no height is "
        "left; crop it or raise hd_num",
        width, height, hd_num, geometry.resized_width);
  }
  // Rows are counted from the real height: ceil(scale / ratio) may be one more.
  geometry.tile_rows = (geometry.resized_height + tile - 1) / tile;
  geometry.tile_cols = scale;
  geometry.padded_height = geometry.tile_rows * tile;
  geometry.pad_top = (geometry.padded_height - geometry.resized_height) / 2;
  if (geometry.transposed) std::swap(geometry.tile_rows, geometry.tile_cols);
  return geometry;
}

}  // namespace ixc

#include "image/transform.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "kernels/resize/resize.h"

namespace ixc {

namespace {

constexpr int64_t kRowsPerPiece = 32;
constexpr int64_t kMaxCroppedPixels = 50'000'000;  // before the crop

ConstRgbView ViewOf(const Image& image) { return {image.rgb.data(), image.width, image.height}; }

// Flips over the main diagonal.
Image Transpose(const Image& image) {
  Image flipped(image.height, image.width);
  for (int y = 0; y < flipped.height; ++y) {
    uint8_t* out = flipped.Row(y);
    for (int x = 0; x < flipped.width; ++x) {
      out = std::copy_n(image.Row(x) + size_t{3} * static_cast<size_t>(y), 3, out);
    }
  }
  return flipped;
}

// What each of the 256 byte values of a channel becomes. Two float32 divisions as in the reference:
// a multiplication by the inverse would round differently.
std::array<float, 256> NormalisedLevels(const ImageTransform& transform, size_t channel) {
  std::array<float, 256> levels;
  for (size_t v = 0; v < levels.size(); ++v) {
    levels[v] = (static_cast<float>(v) / 255.0f - transform.mean[channel]) / transform.std[channel];
  }
  return levels;
}

// plane [image.height, image.width] = the normalised values of one channel.
void NormaliseChannel(const Image& image, size_t channel, const ImageTransform& transform,
                      float* plane, const Compute& compute) {
  const std::array<float, 256> levels = NormalisedLevels(transform, channel);
  compute.pool->ParallelFor(image.height, kRowsPerPiece, [&](int64_t begin, int64_t end) {
    for (int64_t y = begin; y < end; ++y) {
      const uint8_t* in = image.Row(static_cast<int>(y)) + channel;
      float* out = plane + y * image.width;
      for (int x = 0; x < image.width; ++x) out[x] = levels[in[size_t{3} * x]];
    }
  });
}

// Copies channel `channel` of every tile from the plane of the whole picture to its view.
void CutTiles(const float* plane, int64_t channel, PreparedImage& prepared,
              const Compute& compute) {
  const int64_t size = prepared.view_size;
  const int64_t cols = prepared.tile_cols;
  const auto cut_rows = [&](int64_t begin, int64_t end) {
    for (int64_t y = begin; y < end; ++y) {
      for (int64_t tile_col = 0; tile_col < cols; ++tile_col) {
        const float* in = plane + y * cols * size + tile_col * size;
        float* view = prepared.pixels.Row(1 + y / size * cols + tile_col);
        std::copy_n(in, size, view + (channel * size + y % size) * size);
      }
    }
  };
  compute.pool->ParallelFor(prepared.tile_rows * size, kRowsPerPiece, cut_rows);
}

PreparedImage PrepareOneView(const Image& image, const ImageTransform& transform,
                             const Compute& compute) {
  const int64_t size = transform.view_size;
  PreparedImage prepared{transform.view_size, 0, 0, Matrix(1, 3 * size * size)};
  const Image square = transform.kind == ImageTransform::Kind::kSquare
                           ? ResizeToSquare(image, transform.view_size, compute)
                           : CropToSquare(image, transform.view_size, compute);
  for (size_t c = 0; c < 3; ++c) {
    float* plane = prepared.pixels.data() + static_cast<int64_t>(c) * size * size;
    NormaliseChannel(square, c, transform, plane, compute);
  }
  return prepared;
}

PreparedImage PrepareTiles(const Image& image, const ImageTransform& transform, int hd_num,
                           const Compute& compute) {
  const int size = transform.view_size;
  const HdGeometry geometry = PlanHd(image.width, image.height, hd_num, size);
  const int64_t view_elements = int64_t{3} * size * size;
  PreparedImage prepared{size, geometry.tile_rows, geometry.tile_cols,
                         Matrix(1 + geometry.NumTiles(), view_elements)};
  const Image arranged = ArrangeTiles(image, geometry, compute);
  Matrix plane(arranged.height, arranged.width);
  for (int c = 0; c < 3; ++c) {
    NormaliseChannel(arranged, static_cast<size_t>(c), transform, plane.data(), compute);
    CutTiles(plane.data(), c, prepared, compute);
    float* global = prepared.pixels.data() + int64_t{c} * size * size;
    ResizeBicubic({plane.data(), 1, arranged.height, arranged.width, 1}, {global, 1, size, size, 1},
                  compute);
  }
  return prepared;
}

}  // namespace

Image ResizeToSquare(const Image& image, int size, const Compute& compute) {
  Image square(size, size);
  ResizeRgb(ViewOf(image), {square.rgb.data(), size, size}, ResizeFilter::kBicubic, compute);
  return square;
}

Image CropToSquare(const Image& image, int size, const Compute& compute) {
  const int64_t shorter = std::min(image.width, image.height);
  const auto resized = [&](int side) {
    return side == shorter ? size : static_cast<int>(int64_t{size} * side / shorter);
  };
  // Half of what is too long goes on either side, rounded half to even as Python rounds.
  const auto margin = [&](int side) {
    return static_cast<int>(std::nearbyint(0.5 * static_cast<double>(side - size)));
  };
  const int width = resized(image.width), height = resized(image.height);
  if (int64_t{width} * height > kMaxCroppedPixels) {
    Fail("a picture of {} x {} pixels is too long to be cut to a square", image.width,
         image.height);
  }
  Image whole(width, height);
  ResizeRgb(ViewOf(image), {whole.rgb.data(), whole.width, whole.height}, ResizeFilter::kBicubic,
            compute);
  const int left = margin(whole.width), top = margin(whole.height);
  Image square(size, size);
  for (int y = 0; y < size; ++y) {
    std::copy_n(whole.Row(top + y) + size_t{3} * static_cast<size_t>(left), square.RowBytes(),
                square.Row(y));
  }
  return square;
}

Image ArrangeTiles(const Image& image, const HdGeometry& geometry, const Compute& compute) {
  if (geometry.transposed) {
    HdGeometry landscape = geometry;
    landscape.transposed = false;
    return Transpose(ArrangeTiles(Transpose(image), landscape, compute));
  }
  Image arranged(geometry.resized_width, geometry.padded_height);
  std::fill(arranged.rgb.begin(), arranged.rgb.end(), uint8_t{255});
  ResizeRgb(ViewOf(image),
            {arranged.Row(geometry.pad_top), geometry.resized_width, geometry.resized_height},
            ResizeFilter::kBilinear, compute);
  return arranged;
}

PreparedImage PrepareImage(const Image& image, const ImageTransform& transform, int hd_num,
                           const Compute& compute) {
  if (image.width < 1 || image.height < 1) {
    Fail("cannot prepare a picture of {} x {} pixels", image.width, image.height);
  }
  return transform.kind == ImageTransform::Kind::kTiles
             ? PrepareTiles(image, transform, hd_num, compute)
             : PrepareOneView(image, transform, compute);
}

}  // namespace ixc

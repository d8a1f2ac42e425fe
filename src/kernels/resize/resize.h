// The three resampling rules of the models' image preparation.
//
// ResizeRgb(): Pillow's resize of 8-bit RGB, bit by bit. Per axis, with scale = in / out and
// f = max(scale, 1) (shrinking widens the filter: antialiased):
//
//   centre_i = (i + 0.5) scale,   w_i(x) = filter((x + 0.5 - centre_i) / f), normalised to sum 1
//   bilinear: filter(z) = max(0, 1 - |z|);   bicubic: the cubic convolution with a = -0.5
//
// with weights rounded to 22-bit fixed point. The horizontal pass comes first and its result is
// rounded to 8 bits; a pass that would change no size is left out.
//
// ResizeBicubic(): PyTorch's bicubic interpolation of float tensors (a = -0.75, half-pixel centres,
// no antialiasing): always four taps an axis, clamped at the borders.
#pragma once

#include <cstdint>

#include "kernels/compute.h"

namespace ixc {

enum class ResizeFilter : uint8_t { kBilinear, kBicubic };

// [height, width, 3], rows without padding, that somebody else owns.
template <typename T>
struct BasicRgbView {
  T* data = nullptr;
  int width = 0;
  int height = 0;
};
using RgbView = BasicRgbView<uint8_t>;
using ConstRgbView = BasicRgbView<const uint8_t>;

// Both pictures have at least one pixel; they may not overlap.
void ResizeRgb(ConstRgbView in, RgbView out, ResizeFilter filter, const Compute& compute);

// [planes, height, width, channels], that somebody else owns: a picture of 3 planes and 1 channel,
// or a table of 1 plane whose entries are vectors.
template <typename T>
struct BasicGridView {
  T* data = nullptr;
  int planes = 0;
  int height = 0;
  int width = 0;
  int channels = 0;
};
using GridView = BasicGridView<float>;
using ConstGridView = BasicGridView<const float>;

// Planes and channels of both are equal; they may not overlap. Computed in float32 as PyTorch does,
// the source coordinates included.
void ResizeBicubic(ConstGridView in, GridView out, const Compute& compute);

}  // namespace ixc

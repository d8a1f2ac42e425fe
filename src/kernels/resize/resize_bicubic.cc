// ResizeBicubic() of resize.h. Not worth vector kernels: the largest use, the global view of
// 3 x 336 x 336, takes about a thousandth of what one view costs in the vision tower.
#include <algorithm>
#include <array>
#include <cmath>
#include <span>
#include <vector>

#include "kernels/resize/resize.h"

namespace ixc {

namespace {

// One output coordinate: four source coordinates and their weights.
struct CubicTaps {
  std::array<int64_t, 4> index;
  std::array<float, 4> weight;
};

constexpr float kA = -0.75f;

float InnerCubic(float t) { return ((kA + 2.0f) * t - (kA + 3.0f)) * t * t + 1.0f; }  // 0 <= t <= 1

float OuterCubic(float t) {  // 1 <= t <= 2
  return ((kA * t - 5.0f * kA) * t + 8.0f * kA) * t - 4.0f * kA;
}

std::vector<CubicTaps> MakeTaps(int in_size, int out_size) {
  const float scale = static_cast<float>(in_size) / static_cast<float>(out_size);
  std::vector<CubicTaps> taps(static_cast<size_t>(out_size));
  for (int i = 0; i < out_size; ++i) {
    const float center = scale * (static_cast<float>(i) + 0.5f) - 0.5f;
    const float below = std::floor(center);
    const float t = center - below;
    CubicTaps& tap = taps[static_cast<size_t>(i)];
    tap.weight = {OuterCubic(t + 1.0f), InnerCubic(t), InnerCubic(1.0f - t), OuterCubic(2.0f - t)};
    for (int k = 0; k < 4; ++k) {
      const int64_t x = static_cast<int64_t>(below) - 1 + k;
      tap.index[static_cast<size_t>(k)] = std::clamp<int64_t>(x, 0, in_size - 1);
    }
  }
  return taps;
}

// One output row of one plane.
void ResizeRow(const float* plane, int64_t in_row_stride, const CubicTaps& vertical,
               const std::vector<CubicTaps>& horizontal, std::span<float> out) {
  const size_t channels = out.size() / horizontal.size();
  for (size_t i = 0; i < out.size(); ++i) {
    const CubicTaps& taps = horizontal[i / channels];
    const float* channel = plane + i % channels;
    float sum = 0.0f;
    for (size_t ky = 0; ky < 4; ++ky) {
      const float* row = channel + vertical.index[ky] * in_row_stride;
      float row_sum = 0.0f;
      for (size_t kx = 0; kx < 4; ++kx) {
        row_sum += taps.weight[kx] * row[taps.index[kx] * static_cast<int64_t>(channels)];
      }
      sum += vertical.weight[ky] * row_sum;
    }
    out[i] = sum;
  }
}

}  // namespace

void ResizeBicubic(ConstGridView in, GridView out, const Compute& compute) {
  const std::vector<CubicTaps> horizontal = MakeTaps(in.width, out.width);
  const std::vector<CubicTaps> vertical = MakeTaps(in.height, out.height);
  const int64_t in_row = int64_t{in.width} * in.channels;
  const int64_t out_row = int64_t{out.width} * out.channels;
  compute.pool->ParallelFor(int64_t{out.planes} * out.height, 16, [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
      const float* plane = in.data + r / out.height * in.height * in_row;
      ResizeRow(plane, in_row, vertical[static_cast<size_t>(r % out.height)], horizontal,
                {out.data + r * out_row, static_cast<size_t>(out_row)});
    }
  });
}

}  // namespace ixc

#include "kernels/resize/resize.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "kernels/resize/resize_table.h"

namespace ixc {

namespace {

constexpr ResizeKernel kKernels[] = {
#define RESIZE_KERNEL(name, isa, functions) {#name, Isa::isa, &functions},
#include "kernels/resize/resize_kernels.inc"
#undef RESIZE_KERNEL
};

// Half the width of a filter, in source pixels when not shrinking.
double Support(ResizeFilter filter) { return filter == ResizeFilter::kBilinear ? 1.0 : 2.0; }

double FilterValue(ResizeFilter filter, double z) {
  z = std::abs(z);
  if (filter == ResizeFilter::kBilinear) return z < 1.0 ? 1.0 - z : 0.0;
  constexpr double a = -0.5;
  if (z < 1.0) return ((a + 2.0) * z - (a + 3.0)) * z * z + 1.0;
  if (z < 2.0) return (((z - 5.0) * z + 8.0) * z - 4.0) * a;
  return 0.0;
}

// The weights of one pass.
struct TapTable {
  int groups_per_pixel = 0;
  std::vector<int32_t> first;    // [out]: the source pixel of the first tap
  std::vector<TapGroup> groups;  // [out, groups_per_pixel], zero beyond the filter

  const TapGroup* Groups(int i) const { return groups.data() + size_t(i) * groups_per_pixel; }
};

void StoreWeight(double weight, int tap, TapGroup* groups) {
  const double scaled = weight * (1 << kWeightBits);
  const int fixed = static_cast<int>(scaled < 0 ? scaled - 0.5 : scaled + 0.5);
  TapGroup& group = groups[tap / kTapGroup];
  group.low[tap % kTapGroup] = static_cast<int16_t>(fixed & ((1 << kWeightLowBits) - 1));
  group.high[tap % kTapGroup] = static_cast<int16_t>(fixed >> kWeightLowBits);
}

// Every operation in double and in Pillow's order, so that the rounded weights are the same.
TapTable MakeTaps(int in_size, int out_size, ResizeFilter filter) {
  const double scale = static_cast<double>(in_size) / out_size;
  const double filter_scale = std::max(scale, 1.0);
  const double inverse_filter_scale = 1.0 / filter_scale;
  const double support = Support(filter) * filter_scale;
  const int max_taps = static_cast<int>(std::ceil(support)) * 2 + 1;
  TapTable table;
  table.groups_per_pixel = (max_taps + kTapGroup - 1) / kTapGroup;
  table.first.resize(static_cast<size_t>(out_size));
  table.groups.resize(static_cast<size_t>(out_size) * static_cast<size_t>(table.groups_per_pixel));
  std::vector<double> weights;
  for (int i = 0; i < out_size; ++i) {
    const double center = (i + 0.5) * scale;
    const int begin = std::max(static_cast<int>(center - support + 0.5), 0);
    const int end = std::min(static_cast<int>(center + support + 0.5), in_size);
    double sum = 0.0;
    weights.clear();
    for (int x = begin; x < end; ++x) {
      weights.push_back(FilterValue(filter, (x - center + 0.5) * inverse_filter_scale));
      sum += weights.back();
    }
    table.first[static_cast<size_t>(i)] = begin;
    TapGroup* groups = table.groups.data() + size_t(i) * table.groups_per_pixel;
    for (size_t t = 0; t < weights.size(); ++t) {
      StoreWeight(weights[t] / sum, static_cast<int>(t), groups);
    }
  }
  return table;
}

constexpr int64_t kRowsPerPiece = 16;

void ResizeHorizontally(ConstRgbView in, RgbView out, ResizeFilter filter, const Compute& compute) {
  const TapTable taps = MakeTaps(in.width, out.width, filter);
  const size_t in_bytes = size_t{3} * static_cast<size_t>(in.width);
  const size_t out_bytes = size_t{3} * static_cast<size_t>(out.width);
  const size_t slack = size_t{3} * kTapGroup * taps.groups_per_pixel + kRowSlack;
  const ResizeIsa& kernel = *ChooseRow(ResizeKernels(), compute.isa).functions;
  compute.pool->ParallelFor(in.height, kRowsPerPiece, [&](int64_t begin, int64_t end) {
    std::vector<uint8_t> row(in_bytes + slack);  // zeros behind the end, which weigh nothing
    for (int64_t y = begin; y < end; ++y) {
      std::memcpy(row.data(), in.data + y * static_cast<int64_t>(in_bytes), in_bytes);
      kernel.horizontal({row.data(), out.data + y * static_cast<int64_t>(out_bytes), out.width,
                         taps.groups_per_pixel, taps.first.data(), taps.groups.data()});
    }
  });
}

void ResizeVertically(ConstRgbView in, RgbView out, ResizeFilter filter, const Compute& compute) {
  const TapTable taps = MakeTaps(in.height, out.height, filter);
  const int64_t row_bytes = int64_t{3} * in.width;
  const ResizeIsa& kernel = *ChooseRow(ResizeKernels(), compute.isa).functions;
  compute.pool->ParallelFor(out.height, kRowsPerPiece, [&](int64_t begin, int64_t end) {
    std::vector<const uint8_t*> rows(size_t{kTapGroup} * taps.groups_per_pixel);
    for (int64_t y = begin; y < end; ++y) {
      for (size_t t = 0; t < rows.size(); ++t) {  // a row behind the last weighs nothing
        const int64_t source = std::min<int64_t>(taps.first[y] + int64_t(t), in.height - 1);
        rows[t] = in.data + source * row_bytes;
      }
      kernel.vertical({rows.data(), taps.Groups(static_cast<int>(y)), taps.groups_per_pixel,
                       out.data + y * row_bytes, row_bytes});
    }
  });
}

}  // namespace

std::span<const ResizeKernel> ResizeKernels() { return kKernels; }

void ResizeRgb(ConstRgbView in, RgbView out, ResizeFilter filter, const Compute& compute) {
  const bool horizontal = in.width != out.width;
  const bool vertical = in.height != out.height;
  if (!horizontal && !vertical) {
    std::memcpy(out.data, in.data, size_t{3} * static_cast<size_t>(in.width) * in.height);
  } else if (!horizontal) {
    ResizeVertically(in, out, filter, compute);
  } else if (!vertical) {
    ResizeHorizontally(in, out, filter, compute);
  } else {
    std::vector<uint8_t> between(size_t{3} * static_cast<size_t>(out.width) * in.height);
    ResizeHorizontally(in, {between.data(), out.width, in.height}, filter, compute);
    ResizeVertically({between.data(), out.width, in.height}, out, filter, compute);
  }
}

}  // namespace ixc

#include "kernels/resize/resize_kernels.h"

namespace ixc {

namespace {

int32_t Weight(const TapGroup& group, int tap) {
  return group.high[tap] * (1 << kWeightLowBits) + group.low[tap];
}

// Sums are kept modulo 2^32, as the vector rows keep theirs.
uint8_t ToByte(uint32_t sum) {
  const int32_t value = static_cast<int32_t>(sum) >> kWeightBits;
  return static_cast<uint8_t>(value < 0 ? 0 : value > 255 ? 255 : value);
}

void Horizontal(const ResizeRowArgs& args) {
  for (int i = 0; i < args.out_width; ++i) {
    const uint8_t* in = args.in + int64_t{3} * args.first[i];
    const TapGroup* groups = args.groups + int64_t{i} * args.groups_per_pixel;
    uint32_t sum[3];
    for (uint32_t& s : sum) s = 1u << (kWeightBits - 1);
    for (int t = 0; t < kTapGroup * args.groups_per_pixel; ++t) {
      const auto weight = static_cast<uint32_t>(Weight(groups[t / kTapGroup], t % kTapGroup));
      for (int c = 0; c < 3; ++c) sum[c] += weight * in[3 * t + c];
    }
    for (int c = 0; c < 3; ++c) args.out[3 * i + c] = ToByte(sum[c]);
  }
}

void Vertical(const ResizeColumnArgs& args) {
  for (int64_t b = 0; b < args.num_bytes; ++b) {
    uint32_t sum = 1u << (kWeightBits - 1);
    for (int t = 0; t < kTapGroup * args.num_groups; ++t) {
      const auto weight = static_cast<uint32_t>(Weight(args.groups[t / kTapGroup], t % kTapGroup));
      sum += weight * args.rows[t][b];
    }
    args.out[b] = ToByte(sum);
  }
}

}  // namespace

const ResizeIsa kResizeScalar = {Horizontal, Vertical};

}  // namespace ixc

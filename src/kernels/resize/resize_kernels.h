// What the files of one instruction set give to the resize of 8-bit pictures.
//
// A weight of 22 fractional bits is kept as  weight = high * 2^15 + low,  0 <= low < 2^15: pixels
// times either part fit the 16-bit multiply-and-add-pairs instruction, and
//
//   out = clip_0_255((2^21 + sum(pixel * low) + 2^15 sum(pixel * high)) >> 22)
//
// is exact: whatever wraps in the two partial sums cancels modulo 2^32, and the total fits 32 bits.
#pragma once

#include <stdint.h>

namespace ixc {

constexpr int kTapGroup = 4;
constexpr int kWeightBits = 22;
constexpr int kWeightLowBits = 15;

// The weights of four neighbouring taps.
struct TapGroup {
  int16_t low[kTapGroup];
  int16_t high[kTapGroup];
};

// Bytes behind a row that ResizeRowArgs::in must allow to be read, besides 3 bytes a tap.
constexpr int kRowSlack = 16;

// One row: out[i] = sum_t weight[i][t] in[first[i] + t], three channels each. Taps beyond a real
// filter have weight 0 and may lie behind the row's end.
struct ResizeRowArgs {
  const uint8_t* in;
  uint8_t* out;
  int out_width;
  int groups_per_pixel;
  const int32_t* first;    // [out_width]
  const TapGroup* groups;  // [out_width, groups_per_pixel]
};

// One row: out[b] = sum_t weight[t] rows[t][b] for each of num_bytes bytes.
struct ResizeColumnArgs {
  const uint8_t* const* rows;  // [4 num_groups]
  const TapGroup* groups;      // [num_groups]
  int num_groups;
  uint8_t* out;
  int64_t num_bytes;
};

struct ResizeIsa {
  void (*horizontal)(const ResizeRowArgs& args);
  void (*vertical)(const ResizeColumnArgs& args);
};

extern const ResizeIsa kResizeScalar;
extern const ResizeIsa kResizeAvx2;
extern const ResizeIsa kResizeAvx512;

}  // namespace ixc

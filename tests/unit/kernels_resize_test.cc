#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <random>
#include <vector>

#include "kernels/resize/resize.h"
#include "kernels/resize/resize_table.h"
#include "unit/kernels_test_util.h"

namespace ixc {

void PrintTo(const ResizeKernel& kernel, std::ostream* out) { *out << kernel.name; }

namespace {

std::vector<uint8_t> RandomBytes(size_t count, uint32_t seed) {
  std::mt19937 random(seed);
  std::vector<uint8_t> bytes(count);
  for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random());
  return bytes;
}

// Random weights of sums of `groups_per_sum` groups. Their magnitudes may add up to 1.9 (real ones:
// about 1.4), so that sums are clipped at both ends and none leaves 32 bits.
std::vector<TapGroup> RandomWeights(int num_sums, int groups_per_sum, uint32_t seed) {
  std::mt19937 random(seed);
  const int bound = static_cast<int>(1.9 * (1 << kWeightBits)) / (kTapGroup * groups_per_sum);
  std::uniform_int_distribution<int> weight(-bound, bound);
  std::vector<TapGroup> groups(static_cast<size_t>(num_sums * groups_per_sum));
  for (TapGroup& group : groups) {
    for (int t = 0; t < kTapGroup; ++t) {
      const int value = weight(random);
      group.low[t] = static_cast<int16_t>(value & ((1 << kWeightLowBits) - 1));
      group.high[t] = static_cast<int16_t>(value >> kWeightLowBits);
    }
  }
  return groups;
}

class ResizeRowTest : public testing::TestWithParam<ResizeKernel> {};

TEST_P(ResizeRowTest, HorizontalGivesTheScalarBytes) {
  IXC_SKIP_IF_UNSUPPORTED(GetParam().isa);
  for (const int out_width : {1, 2, 3, 5, 8, 17, 64, 101}) {
    for (const int groups_per_pixel : {1, 2, 3, 9}) {
      const int in_width = 40;
      const std::vector<uint8_t> in =
          RandomBytes(size_t{3} * (in_width + kTapGroup * groups_per_pixel) + kRowSlack, 1);
      const std::vector<TapGroup> groups = RandomWeights(out_width, groups_per_pixel, 2);
      std::vector<int32_t> first(static_cast<size_t>(out_width));
      for (size_t i = 0; i < first.size(); ++i) first[i] = static_cast<int32_t>(i * 7 % in_width);
      std::vector<uint8_t> expected(first.size() * 3 + 8, 77);
      std::vector<uint8_t> actual = expected;
      ResizeRowArgs args = {in.data(),        expected.data(), out_width,
                            groups_per_pixel, first.data(),    groups.data()};
      kResizeScalar.horizontal(args);
      args.out = actual.data();
      GetParam().functions->horizontal(args);
      EXPECT_EQ(actual, expected) << out_width << " pixels, " << groups_per_pixel << " groups";
    }
  }
}

TEST_P(ResizeRowTest, VerticalGivesTheScalarBytes) {
  IXC_SKIP_IF_UNSUPPORTED(GetParam().isa);
  for (const int num_bytes : {1, 3, 15, 16, 17, 31, 32, 33, 63, 96, 300}) {
    for (const int num_groups : {1, 2, 5, 40}) {
      const size_t num_rows = static_cast<size_t>(num_groups * kTapGroup);
      const std::vector<uint8_t> in = RandomBytes(num_rows * static_cast<size_t>(num_bytes), 3);
      std::vector<const uint8_t*> rows;
      for (size_t r = 0; r < num_rows; ++r) rows.push_back(in.data() + r * num_bytes);
      const std::vector<TapGroup> groups = RandomWeights(1, num_groups, 4);
      std::vector<uint8_t> expected(static_cast<size_t>(num_bytes) + 8, 77);
      std::vector<uint8_t> actual = expected;
      ResizeColumnArgs args = {rows.data(), groups.data(), num_groups, expected.data(), num_bytes};
      kResizeScalar.vertical(args);
      args.out = actual.data();
      GetParam().functions->vertical(args);
      EXPECT_EQ(actual, expected) << num_bytes << " bytes, " << num_groups << " groups";
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Table, ResizeRowTest, testing::ValuesIn(ResizeKernels()),
                         RowName<ResizeKernel>);

struct Size {
  int width, height;
};

std::vector<uint8_t> Resized(const std::vector<uint8_t>& in, Size from, Size to,
                             ResizeFilter filter, const Compute& compute) {
  std::vector<uint8_t> out(size_t{3} * static_cast<size_t>(to.width * to.height));
  ResizeRgb({in.data(), from.width, from.height}, {out.data(), to.width, to.height}, filter,
            compute);
  return out;
}

TEST(ResizeRgb, HalvesByTheWidenedTriangle) {
  // Two pixels to one: both weigh one half, and halves round up.
  ThreadPool pool(1);
  const std::vector<uint8_t> in = {10, 0, 255, 21, 255, 255};
  const std::vector<uint8_t> expected = {16, 128, 255};
  EXPECT_EQ(Resized(in, {2, 1}, {1, 1}, ResizeFilter::kBilinear, {Isa::kScalar, &pool}), expected);
  EXPECT_EQ(Resized(in, {1, 2}, {1, 1}, ResizeFilter::kBilinear, {Isa::kScalar, &pool}), expected);
}

TEST(ResizeRgb, DoublesByTheCubicConvolution) {
  // 0 0 255 255 to 8 pixels. Output 3 is centred at 1.75: its pixels lie at distances 1.25, 0.25,
  // 0.75 and 1.75 with weights -0.0703125, 0.8671875, 0.2265625 and -0.0234375. The last two times
  // 255: 51.8; output 4 mirrors it: 203.2. Beyond, the overshoot is clipped.
  ThreadPool pool(1);
  std::vector<uint8_t> in;
  for (const uint8_t v : {0, 0, 255, 255}) in.insert(in.end(), 3, v);
  const std::vector<uint8_t> out =
      Resized(in, {4, 1}, {8, 1}, ResizeFilter::kBicubic, {Isa::kScalar, &pool});
  EXPECT_EQ(out[3 * 2], 0);
  EXPECT_EQ(out[3 * 3], 52);
  EXPECT_EQ(out[3 * 4 + 1], 203);
  EXPECT_EQ(out[3 * 5 + 2], 255);
}

TEST(ResizeRgb, SameSizeCopies) {
  ThreadPool pool(TeamOf(2));
  const std::vector<uint8_t> in = RandomBytes(3 * 9 * 7, 5);
  EXPECT_EQ(Resized(in, {9, 7}, {9, 7}, ResizeFilter::kBicubic, {Isa::kScalar, &pool}), in);
}

TEST(ResizeRgb, OneColourStaysThatColour) {
  ThreadPool pool(TeamOf(2));
  for (const Size to : {Size{1, 1}, Size{300, 2}, Size{33, 90}}) {
    const std::vector<uint8_t> in(3 * 50 * 40, 201);
    const auto out = Resized(in, {50, 40}, to, ResizeFilter::kBicubic, {BestIsa(), &pool});
    EXPECT_EQ(std::count(out.begin(), out.end(), 201), static_cast<int64_t>(out.size()));
  }
}

TEST(ResizeRgb, DoesNotDependOnThreadsOrInstructionSet) {
  ThreadPool one(1);
  ThreadPool three(TeamOf(3));
  const Size from{123, 77};
  const std::vector<uint8_t> in = RandomBytes(3 * 123 * 77, 6);
  for (const ResizeFilter filter : {ResizeFilter::kBilinear, ResizeFilter::kBicubic}) {
    for (const Size to : {Size{200, 31}, Size{123, 5}, Size{2, 77}, Size{61, 300}}) {
      const auto expected = Resized(in, from, to, filter, {Isa::kScalar, &one});
      for (const Isa isa : SupportedIsas()) {
        EXPECT_EQ(Resized(in, from, to, filter, {isa, &three}), expected) << Name(isa);
      }
    }
  }
}

TEST(ResizeRgb, ManyTapsDoNotOverflow) {
  ThreadPool pool(1);
  const std::vector<uint8_t> in(3 * 16384, 255);
  const std::vector<uint8_t> expected = {255, 255, 255};
  for (const Isa isa : SupportedIsas()) {
    EXPECT_EQ(Resized(in, {16384, 1}, {1, 1}, ResizeFilter::kBicubic, {isa, &pool}), expected);
    EXPECT_EQ(Resized(in, {1, 16384}, {1, 1}, ResizeFilter::kBicubic, {isa, &pool}), expected);
  }
}

TEST(ResizeBicubic, SameSizeCopies) {
  ThreadPool pool(TeamOf(2));
  std::vector<float> in(2 * 5 * 4 * 3);
  for (size_t i = 0; i < in.size(); ++i) in[i] = static_cast<float>(i * i % 17) - 8.0f;
  std::vector<float> out(in.size());
  ResizeBicubic({in.data(), 2, 5, 4, 3}, {out.data(), 2, 5, 4, 3}, {Isa::kScalar, &pool});
  EXPECT_EQ(out, in);
}

TEST(ResizeBicubic, ShrinksByFourTapsOnly) {
  // 10 to 2: centres at 2 and 7, on a pixel each, whose weight is then 1: no antialiasing.
  ThreadPool pool(1);
  const std::vector<float> in = {0, 1, 50, 3, 4, 5, 6, -70, 8, 9};
  std::vector<float> out(2);
  ResizeBicubic({in.data(), 1, 1, 10, 1}, {out.data(), 1, 1, 2, 1}, {Isa::kScalar, &pool});
  EXPECT_EQ(out, (std::vector<float>{50, -70}));
}

TEST(ResizeBicubic, WeighsAsTheCubicConvolution) {
  // 2 to 4 pixels, a = -0.75: output 1 is centred at 0.25. Weights at distances 1.25, 0.25, 0.75
  // and 1.75: -0.10546875, 0.87890625, 0.26171875, -0.03515625; the first two taps are pixel 0.
  ThreadPool pool(1);
  const std::vector<float> in = {1, 0};
  std::vector<float> out(4);
  ResizeBicubic({in.data(), 1, 1, 2, 1}, {out.data(), 1, 1, 4, 1}, {Isa::kScalar, &pool});
  EXPECT_FLOAT_EQ(out[1], 0.7734375f);
  EXPECT_FLOAT_EQ(out[2], 0.2265625f);
  EXPECT_FLOAT_EQ(out[3], -0.10546875f);  // overshoot is kept
}

TEST(ResizeBicubic, PlanesAndChannelsAgree) {
  ThreadPool pool(TeamOf(3));
  constexpr int kPlanes = 3, kIn = 24, kOut = 35;
  const std::vector<uint8_t> bytes = RandomBytes(kPlanes * kIn * kIn, 7);
  const std::vector<float> planar(bytes.begin(), bytes.end());
  std::vector<float> interleaved(planar.size());
  for (size_t i = 0; i < kIn * kIn; ++i) {
    for (size_t p = 0; p < kPlanes; ++p) interleaved[i * kPlanes + p] = planar[p * kIn * kIn + i];
  }
  std::vector<float> from_planar(kPlanes * kOut * kOut);
  std::vector<float> from_interleaved(from_planar.size());
  const Compute compute{Isa::kScalar, &pool};
  ResizeBicubic({planar.data(), kPlanes, kIn, kIn, 1}, {from_planar.data(), kPlanes, kOut, kOut, 1},
                compute);
  ResizeBicubic({interleaved.data(), 1, kIn, kIn, kPlanes},
                {from_interleaved.data(), 1, kOut, kOut, kPlanes}, compute);
  for (size_t i = 0; i < kOut * kOut; ++i) {
    for (size_t p = 0; p < kPlanes; ++p) {
      ASSERT_EQ(from_interleaved[i * kPlanes + p], from_planar[p * kOut * kOut + i]);
    }
  }
}

}  // namespace
}  // namespace ixc

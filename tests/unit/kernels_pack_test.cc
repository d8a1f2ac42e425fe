// Packing: order, stacking, padding and the three conversions, against base/half.h bit by bit.
#include <gtest/gtest.h>

#include "base/error.h"
#include "kernels/gemm/packed_matrix.h"
#include "unit/kernels_test_util.h"

namespace ixc {
namespace {

ThreadPool& Pool() {
  static ThreadPool pool(1);
  return pool;
}

uint32_t Bits(DType dtype, float value) {
  if (dtype == DType::kF16) return ToHalf(value).bits;
  if (dtype == DType::kBF16) return ToBFloat16(value).bits;
  return std::bit_cast<uint32_t>(value);
}

uint32_t PackedBits(const PackedMatrix& w, int64_t output, int64_t input) {
  const int64_t index = (output / 16 * w.k + input) * 16 + output % 16;
  uint32_t bits = 0;
  std::memcpy(&bits, w.data.data() + static_cast<size_t>(index) * SizeOf(w.dtype), SizeOf(w.dtype));
  return bits;
}

// Normal numbers, and all that conversion can get wrong: subnormals, ties, overflow, infinities.
std::vector<float> AwkwardFloats(size_t count, uint32_t seed) {
  std::vector<float> values = RandomFloats(count, seed);
  const float awkward[] = {0.0f,           -0.0f,    1e-8f,    -3e-6f,   6.1e-5f, 65504.0f,
                           65519.9f,       65520.0f, -1e9f,    3.4e38f,  1e-40f,  1.00048828125f,
                           1.00146484375f, 2049.0f,  INFINITY, -INFINITY};
  for (size_t i = 0; i < values.size(); i += 3) values[i] = awkward[i / 3 % std::size(awkward)];
  return values;
}

TEST(PackMatrix, EveryConversionOrderAndShape) {
  for (Isa isa : SupportedIsas()) {
    for (DType from : {DType::kF32, DType::kF16, DType::kBF16}) {
      for (DType to : {DType::kF32, DType::kF16, DType::kBF16}) {
        for (int64_t n : {1, 16, 17, 40}) {
          for (int64_t k : {1, 7, 16, 33, 130}) {
            const auto values = AwkwardFloats(static_cast<size_t>(n * k), 1);
            const EncodedTensor tensor(values, {n, k}, from);
            const std::vector<float> stored = ReadAsFloat(tensor.view, "stored");
            const PackedMatrix w = PackMatrix(std::span(&tensor.view, 1), to, {}, {isa, &Pool()});
            ASSERT_EQ(w.n, n);
            ASSERT_EQ(w.k, k);
            for (int64_t output = 0; output < w.NumPanels() * 16; ++output) {
              for (int64_t input = 0; input < k; ++input) {
                const float value =
                    output < n ? stored[static_cast<size_t>(output * k + input)] : 0.0f;
                ASSERT_EQ(PackedBits(w, output, input), Bits(to, value))
                    << Name(isa) << " " << Name(from) << " to " << Name(to) << " of " << value;
              }
            }
          }
        }
      }
    }
  }
}

TEST(PackMatrix, NaNStaysNaN) {
  const std::vector<float> values(16 * 16, std::nanf(""));
  for (Isa isa : SupportedIsas()) {
    for (DType from : {DType::kF32, DType::kF16, DType::kBF16}) {
      for (DType to : {DType::kF32, DType::kF16, DType::kBF16}) {
        const EncodedTensor tensor(values, {16, 16}, from);
        const PackedMatrix w = PackMatrix(std::span(&tensor.view, 1), to, {}, {isa, &Pool()});
        EXPECT_TRUE(std::isnan(ReadAsFloat({to, {256}, w.data.data()}, "packed")[37]));
      }
    }
  }
}

TEST(PackMatrix, StacksPartsAndReordersRows) {
  const int64_t k = 19;
  const auto a = RandomFloats(5 * 19, 1), b = RandomFloats(30 * 19, 2);
  const EncodedTensor first(a, {5, k}, DType::kF32), second(b, {30, 19, 1}, DType::kF32);
  const TensorView parts[] = {first.view, second.view};
  const std::vector<int64_t> order = {34, 0, 5, 5, 17};
  for (Isa isa : SupportedIsas()) {
    const PackedMatrix all = PackMatrix(parts, DType::kF32, {}, {isa, &Pool()});
    const PackedMatrix some = PackMatrix(parts, DType::kF32, order, {isa, &Pool()});
    ASSERT_EQ(all.n, 35);
    ASSERT_EQ(some.n, 5);
    for (int64_t input = 0; input < k; ++input) {
      EXPECT_EQ(PackedBits(all, 5, input), std::bit_cast<uint32_t>(b[static_cast<size_t>(input)]));
      for (size_t j = 0; j < order.size(); ++j) {
        EXPECT_EQ(PackedBits(some, static_cast<int64_t>(j), input),
                  PackedBits(all, order[j], input));
      }
    }
  }
}

TEST(PackMatrix, RefusesWhatDoesNotFit) {
  const std::vector<float> values(64);
  const EncodedTensor a(values, {8, 8}, DType::kF32), b(values, {16, 4}, DType::kF32);
  const EncodedTensor c(values, {8, 8}, DType::kF16);
  const TensorView wrong_k[] = {a.view, b.view}, wrong_dtype[] = {a.view, c.view};
  const Compute compute{Isa::kScalar, &Pool()};
  EXPECT_THROW(PackMatrix(wrong_k, DType::kF32, {}, compute), Error);
  EXPECT_THROW(PackMatrix(wrong_dtype, DType::kF32, {}, compute), Error);
  EXPECT_THROW(PackMatrix({}, DType::kF32, {}, compute), Error);
  EXPECT_THROW(PackMatrix(std::span(wrong_k, 1), DType::kI8, {}, compute), Error);
  const int64_t beyond[] = {8};
  EXPECT_THROW(PackMatrix(std::span(wrong_k, 1), DType::kF32, beyond, compute), Error);
}

}  // namespace
}  // namespace ixc

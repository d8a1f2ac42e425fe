// Shared by the kernel tests: seeded data, reference conversions, and the rows that can run here.
#pragma once

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "base/half.h"
#include "kernels/compute.h"
#include "tensor/tensor.h"

namespace ixc {

constexpr double kEps = 0x1p-24;  // half a unit in the last place of 1.0f

// Error bound of a sum of `terms` products in float32 (Higham's gamma), relative to the sum of the
// products' magnitudes.
inline double Gamma(int64_t terms) {
  const double bound = static_cast<double>(terms) * kEps;
  return bound / (1 - bound);
}

inline std::vector<float> RandomFloats(size_t count, uint32_t seed, float spread = 1.0f) {
  std::mt19937 generator(seed);
  std::normal_distribution<float> normal(0.0f, spread);
  std::vector<float> values(count);
  for (float& value : values) value = normal(generator);
  return values;
}

// A matrix inside a larger one: rows lie `stride` apart and the gaps hold `filler`.
struct StridedMatrix {
  StridedMatrix(int64_t rows, int64_t cols, int64_t stride, float filler)
      : values(static_cast<size_t>(rows * stride), filler),
        view{values.data(), rows, cols, stride} {}
  std::vector<float> values;
  MatrixView view;

  // No gap was written to.
  bool GapsHold(float filler) const {
    for (size_t i = 0; i < values.size(); ++i) {
      const bool gap = static_cast<int64_t>(i) % view.stride >= view.cols;
      if (gap && values[i] != filler) return false;
    }
    return true;
  }
};

inline void Fill(MatrixView view, uint32_t seed, float spread = 1.0f) {
  const auto values = RandomFloats(static_cast<size_t>(view.rows * view.cols), seed, spread);
  for (int64_t row = 0; row < view.rows; ++row) {
    std::memcpy(view.Row(row), &values[static_cast<size_t>(row * view.cols)],
                static_cast<size_t>(view.cols) * sizeof(float));
  }
}

inline std::vector<float> Contents(ConstMatrixView view) {
  std::vector<float> values;
  for (int64_t row = 0; row < view.rows; ++row) {
    values.insert(values.end(), view.Row(row), view.Row(row) + view.cols);
  }
  return values;
}

inline bool SameBits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

// Values as the bytes of a tensor of `dtype`; the offset of 1 makes them unaligned.
struct EncodedTensor {
  EncodedTensor(const std::vector<float>& values, std::vector<int64_t> shape, DType dtype,
                size_t offset = 1)
      : bytes(values.size() * SizeOf(dtype) + offset),
        view{dtype, std::move(shape), bytes.data() + offset} {
    for (size_t i = 0; i < values.size(); ++i) {
      const Half half = ToHalf(values[i]);
      const BFloat16 brain = ToBFloat16(values[i]);
      const void* from = dtype == DType::kF32   ? static_cast<const void*>(&values[i])
                         : dtype == DType::kF16 ? static_cast<const void*>(&half)
                                                : static_cast<const void*>(&brain);
      std::memcpy(bytes.data() + offset + i * SizeOf(dtype), from, SizeOf(dtype));
    }
  }
  std::vector<std::byte> bytes;
  TensorView view;
};

// Under emulation, a thousand times slower, grids are cut and only what the emulator is for runs.
inline bool SmallGrid() { return std::getenv("IXC_SMALL_GRID") != nullptr; }

// The emulator runs one thread.
inline int TeamOf(int threads) { return SmallGrid() ? 1 : threads; }

inline std::vector<Isa> SupportedIsas() {
  if (SmallGrid()) return {BestIsa()};
  std::vector<Isa> isas;
  for (Isa isa : kAllIsas) {
    if (IsSupported(isa)) isas.push_back(isa);
  }
  return isas;
}

// Every row of a kernel table is a test; one that this machine cannot run says so.
#define IXC_SKIP_IF_UNSUPPORTED(isa) \
  if (!IsSupported(isa)) GTEST_SKIP() << "this machine has no " << Name(isa)

template <typename Kernel>
std::string RowName(const testing::TestParamInfo<Kernel>& info) {
  return info.param.name;
}

}  // namespace ixc

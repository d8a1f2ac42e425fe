#include "model/merge_lora.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "base/half.h"
#include "kernels/gemm/gemm.h"

namespace ixc {
namespace {

constexpr int64_t kRowsAtATime = 256;

void StoreRounded(const float* values, int64_t count, DType dtype, std::byte* out) {
  for (int64_t i = 0; i < count; ++i) {
    if (dtype == DType::kF32) {
      std::memcpy(out + i * 4, values + i, 4);
    } else {
      const uint16_t bits =
          dtype == DType::kF16 ? ToHalf(values[i]).bits : ToBFloat16(values[i]).bits;
      std::memcpy(out + i * 2, &bits, 2);
    }
  }
}

// A^T as the weight of a product: rows of B times it are rows of B A.
PackedMatrix PackTransposed(const TensorView& a, const Compute& compute) {
  const int64_t rank = a.shape[0];
  const int64_t inputs = a.shape[1];
  const std::vector<float> rows = ReadAsFloat(a, "lora_A");
  std::vector<float> transposed(rows.size());
  for (int64_t r = 0; r < rank; ++r) {
    for (int64_t i = 0; i < inputs; ++i) {
      transposed[static_cast<size_t>(i * rank + r)] = rows[static_cast<size_t>(r * inputs + i)];
    }
  }
  const TensorView view{
      DType::kF32, {inputs, rank}, reinterpret_cast<const std::byte*>(transposed.data())};
  return PackMatrix(std::span(&view, 1), DType::kF32, {}, compute);
}

}  // namespace

AlignedBuffer MergeLora(const TensorView& weight, const LoraPair& lora, const Compute& compute) {
  const int64_t outputs = weight.shape[0];
  const int64_t inputs = weight.shape[1];
  const int64_t rank = lora.a.shape[0];
  const PackedMatrix a = PackTransposed(lora.a, compute);
  std::vector<float> b = ReadAsFloat(lora.b, "lora_B");
  AlignedBuffer merged(weight.NumBytes());
  const size_t row_bytes = static_cast<size_t>(inputs) * SizeOf(weight.dtype);
  GemmEpilogue add;
  add.scale = static_cast<float>(lora.scale);
  add.accumulate = true;
  for (int64_t first = 0; first < outputs; first += kRowsAtATime) {
    const int64_t count = std::min(kRowsAtATime, outputs - first);
    const size_t offset = static_cast<size_t>(first) * row_bytes;
    const std::vector<float> rows =
        ReadAsFloat({weight.dtype, {count, inputs}, weight.data + offset}, "weight");
    Matrix sum(count, inputs);
    std::copy(rows.begin(), rows.end(), sum.data());
    Gemm(ConstMatrixView{b.data() + first * rank, count, rank, rank}, a, sum, add, compute);
    StoreRounded(sum.data(), count * inputs, weight.dtype, merged.data() + offset);
  }
  return merged;
}

}  // namespace ixc

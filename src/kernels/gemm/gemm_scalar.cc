// The portable rows: plain loops that share nothing with the vector kernels, since the tests hold
// those against these. GCC turns the 16-wide inner loops into SSE2.
//
// A thread widens one panel to float32 and takes all rows through it, so even this path touches
// each weight once a call.
#include <algorithm>
#include <cstring>
#include <vector>

#include "base/half.h"
#include "kernels/gemm/epilogue.h"
#include "kernels/gemm/gemm_table.h"

namespace ixc {

namespace {

template <typename T>
void WidenAll(const std::byte* from, std::vector<float>& to) {
  for (size_t i = 0; i < to.size(); ++i) {
    T value;
    std::memcpy(&value, from + i * sizeof(T), sizeof(T));
    to[i] = ToFloat(value);
  }
}

void WidenPanel(const PackedMatrix& w, int64_t panel, std::vector<float>& to) {
  const std::byte* from = w.data.data() + static_cast<size_t>(panel) * w.PanelBytes();
  if (w.dtype == DType::kF32) WidenAll<float>(from, to);
  if (w.dtype == DType::kF16) WidenAll<Half>(from, to);
  if (w.dtype == DType::kBF16) WidenAll<BFloat16>(from, to);
}

float LoadFloat(const void* row, int64_t i, int type) {
  const auto* bytes = static_cast<const std::byte*>(row);
  if (type == kTypeF32) {
    float value;
    std::memcpy(&value, bytes + i * 4, 4);
    return value;
  }
  uint16_t bits;
  std::memcpy(&bits, bytes + i * 2, 2);
  return type == kTypeF16 ? ToFloat(Half{bits}) : ToFloat(BFloat16{bits});
}

}  // namespace

void GemmEpilogueScalar(const GemmEpilogueRow& call) { FinishRow(call); }

void GemmPlain(const GemmCall& call, const Compute& compute) {
  const PackedMatrix& w = *call.w;
  compute.pool->ParallelFor(w.NumPanels(), 1, [&](int64_t first, int64_t last) {
    std::vector<float> b(static_cast<size_t>(w.k) * kPanelWidth);
    for (int64_t panel = first; panel < last; ++panel) {
      WidenPanel(w, panel, b);
      for (int64_t row = 0; row < call.x.rows; ++row) {
        const float* x = call.x.Row(row);
        float acc[kPanelWidth] = {};
        for (int64_t k0 = 0; k0 < w.k; k0 += kSumBlock) {
          float sum[kPanelWidth] = {};
          for (int64_t i = k0; i < std::min(w.k, k0 + kSumBlock); ++i) {
            for (int j = 0; j < kPanelWidth; ++j) {
              sum[j] += x[i] * b[static_cast<size_t>(i * 16 + j)];
            }
          }
          for (int j = 0; j < kPanelWidth; ++j) acc[j] += sum[j];
        }
        GemmEpilogueScalar(call.EpilogueRow(acc, row, panel * kPanelWidth, kPanelWidth));
      }
    }
  });
  AddLowRank(call.x, call.low_rank, call.y, compute);
}

void PackPanelScalar(const PackPanel& call) {
  for (int64_t i = 0; i < call.k; ++i) {
    for (int j = 0; j < 16; ++j) {
      const float value = call.rows[j] == nullptr ? 0.0f : LoadFloat(call.rows[j], i, call.from);
      auto* to = static_cast<std::byte*>(call.panel) + (i * 16 + j) * (call.to == kTypeF32 ? 4 : 2);
      if (call.to == kTypeF32) std::memcpy(to, &value, 4);
      if (call.to == kTypeF16) {
        const Half half = ToHalf(value);
        std::memcpy(to, &half, 2);
      }
      if (call.to == kTypeBF16) {
        const BFloat16 half = ToBFloat16(value);
        std::memcpy(to, &half, 2);
      }
    }
  }
}

}  // namespace ixc

#include "quant/sparse_outliers.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <functional>
#include <limits>
#include <mutex>
#include <vector>

namespace ixc {
namespace {

constexpr int64_t kChunk = 1 << 18;  // weights that a thread takes at a time
constexpr size_t kBins = 1 << 16;

using Histogram = std::vector<int64_t>;

// Counts |w|, as bits of a float32 (their order is that of the numbers), by bin_of; -1 is not
// counted.
Histogram Count(const TensorView& weights, const std::function<int64_t(uint32_t)>& bin_of,
                const Compute& compute) {
  Histogram total(kBins, 0);
  std::mutex mutex;
  const int64_t elements = weights.NumElements();
  compute.pool->ParallelFor((elements + kChunk - 1) / kChunk, 1, [&](int64_t first, int64_t last) {
    Histogram counts(kBins, 0);
    for (int64_t begin = first * kChunk; begin < std::min(elements, last * kChunk);
         begin += kChunk) {
      const TensorView part{weights.dtype,
                            {std::min(kChunk, elements - begin)},
                            weights.data + static_cast<size_t>(begin) * SizeOf(weights.dtype)};
      for (float weight : ReadAsFloat(part, "weights")) {
        const int64_t bin = bin_of(std::bit_cast<uint32_t>(std::fabs(weight)));
        if (bin >= 0) ++counts[static_cast<size_t>(bin)];
      }
    }
    const std::lock_guard lock(mutex);
    for (size_t i = 0; i < kBins; ++i) total[i] += counts[i];
  });
  return total;
}

// The bin that the rank-th element from the top lies in; rank becomes its rank within the bin.
uint32_t FindFromTop(const Histogram& counts, int64_t& rank) {
  size_t bin = kBins - 1;
  for (; bin > 0 && rank > counts[bin]; --bin) rank -= counts[bin];
  return static_cast<uint32_t>(bin);
}

}  // namespace

float OutlierThreshold(const TensorView& weights, double fraction, const Compute& compute) {
  auto rank =
      static_cast<int64_t>(std::floor(static_cast<double>(weights.NumElements()) * fraction));
  if (rank == 0) return std::numeric_limits<float>::infinity();
  const uint32_t high = FindFromTop(Count(
                                        weights, [](uint32_t bits) { return bits >> 16; }, compute),
                                    rank);
  const auto low_of = [high](uint32_t bits) {
    return bits >> 16 == high ? int64_t{bits & 0xffff} : int64_t{-1};
  };
  const uint32_t low = FindFromTop(Count(weights, low_of, compute), rank);
  return std::bit_cast<float>(high << 16 | low);
}

SparseRowScale ScaleSparseRow(std::span<const float> weights, float threshold) {
  float usual = 0.0f, largest = 0.0f;
  for (float weight : weights) {
    const float magnitude = std::fabs(weight);
    largest = std::max(largest, magnitude);
    if (magnitude <= threshold) usual = std::max(usual, magnitude);
  }
  if (usual == 0.0f) {
    const float scale = std::max(largest / 127.0f, 0x1p-23f);
    return {scale, scale};
  }
  return {usual / 7.0f, 127.0f * usual / 7.0f / 127.0f};
}

}  // namespace ixc

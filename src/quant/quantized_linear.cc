#include "quant/quantized_linear.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <functional>
#include <limits>

#include "base/error.h"
#include "base/half.h"
#include "quant/round_to_nearest.h"
#include "quant/sparse_outliers.h"

namespace ixc {
namespace {

constexpr int64_t kRowsAtOnce = 512;  // of a matrix that is being written

std::vector<float> ReadRow(const QuantizedLinear& linear, int64_t row) {
  const size_t bytes = static_cast<size_t>(linear.k()) * SizeOf(linear.weight.dtype);
  return ReadAsFloat(
      {linear.weight.dtype, {linear.k()}, linear.weight.data + static_cast<size_t>(row) * bytes},
      linear.prefix);
}

void CheckFinite(const QuantizedLinear& linear, std::span<const float> weights, int64_t row) {
  const size_t i = FirstNotFinite(weights);
  if (i == weights.size()) return;
  Fail(
      "tensor '{}.weight' [{}, {}] is {}: only finite weights can be quantized; see 'ixc "
      "inspect --verify'",
      linear.prefix, row, i, weights[i]);
}

std::span<const float> ScalesOf(const QuantizedLinear& linear, int64_t row) {
  const auto groups = static_cast<size_t>(linear.num_groups());
  return std::span(linear.scales).subspan(static_cast<size_t>(row) * groups, groups);
}

// Importance-weighted squared error of four-bit weights with this scale.
float ErrorOf(std::span<const float> weights, std::span<const float> importance, float scale) {
  const float inverse = scale == 0.0f ? 0.0f : 1.0f / scale;
  float error = 0.0f;
  for (size_t i = 0; i < weights.size(); ++i) {
    const float q = RoundClamped(weights[i] * inverse, -8.0f, 7.0f);
    const float difference = weights[i] - q * scale;
    error += difference * difference * (importance.empty() ? 1.0f : importance[i]);
  }
  return error;
}

// The best of the extreme's scale and smaller ones, which clip the extreme and round the rest
// finer.
float SearchScale(std::span<const float> weights, std::span<const float> importance, float start) {
  constexpr int kSteps = 20;
  float best = start, least = ErrorOf(weights, importance, start);
  for (int step = 1; step <= kSteps; ++step) {
    for (float sign : {1.0f, -1.0f}) {
      const float factor = sign * (1.15f - 0.025f * static_cast<float>(step));
      const float scale = ToFloat(ToHalf(start * factor));
      const float error = ErrorOf(weights, importance, scale);
      if (error < least) {
        least = error;
        best = scale;
      }
    }
  }
  return best;
}

void MeasureFourBits(QuantizedLinear& linear, int64_t row, std::span<const float> weights,
                     const MeasureOptions& options) {
  std::vector<int8_t> q(weights.size());
  const auto groups = static_cast<size_t>(linear.num_groups());
  const std::span scales =
      std::span(linear.scales).subspan(static_cast<size_t>(row) * groups, groups);
  RoundToFourBits(weights, linear.group, q, scales);
  if (!options.search) return;
  const auto size = static_cast<size_t>(linear.group);
  for (size_t g = 0; g < groups; ++g) {
    const size_t count = std::min(size, weights.size() - g * size);
    const auto importance = options.importance.empty()
                                ? options.importance
                                : options.importance.subspan(g * size, count);
    scales[g] = SearchScale(weights.subspan(g * size, count), importance, scales[g]);
  }
}

using FillRow = std::function<void(int64_t row, std::byte* to)>;

// A tensor whose rows are made when they are written, by all threads.
TensorSource RowsSource(std::string name, DType dtype, std::vector<int64_t> shape,
                        const Compute& compute, FillRow fill) {
  TensorSource source;
  source.name = std::move(name);
  source.dtype = dtype;
  source.shape = shape;
  source.write = [shape, dtype, &compute, fill = std::move(fill)](ByteSink& out) {
    const size_t row_bytes = static_cast<size_t>(shape[1]) * SizeOf(dtype);
    std::vector<std::byte> block(row_bytes * static_cast<size_t>(std::min(kRowsAtOnce, shape[0])));
    for (int64_t first = 0; first < shape[0]; first += kRowsAtOnce) {
      const int64_t count = std::min(kRowsAtOnce, shape[0] - first);
      compute.pool->ParallelFor(count, 8, [&](int64_t begin, int64_t end) {
        for (int64_t row = begin; row < end; ++row) {
          fill(first + row, block.data() + static_cast<size_t>(row) * row_bytes);
        }
      });
      out.Write(std::span(block).first(static_cast<size_t>(count) * row_bytes));
    }
  };
  return source;
}

// A small tensor, made now.
template <typename T>
TensorSource ValuesSource(std::string name, DType dtype, std::vector<int64_t> shape,
                          std::vector<T> values) {
  TensorSource source;
  source.name = std::move(name);
  source.dtype = dtype;
  source.shape = std::move(shape);
  source.write = [values = std::move(values)](ByteSink& out) {
    out.Write(std::as_bytes(std::span(values)));
  };
  return source;
}

TensorSource BytesOfWeights(const QuantizedLinear& linear, const Compute& compute) {
  return RowsSource(
      linear.prefix + ".weight", DType::kI8, {linear.n(), linear.k()}, compute,
      [&linear](int64_t row, std::byte* to) {
        QuantizeRow(linear, row, {reinterpret_cast<int8_t*>(to), static_cast<size_t>(linear.k())});
      });
}

TensorSource NibblesOfWeights(const QuantizedLinear& linear, const Compute& compute) {
  const int64_t row_bytes = (linear.k() + 1) / 2;
  return RowsSource(linear.prefix + ".weight", DType::kU8, {linear.n(), row_bytes}, compute,
                    [&linear, row_bytes](int64_t row, std::byte* to) {
                      std::vector<int8_t> q(static_cast<size_t>(row_bytes) * 2, 0);
                      QuantizeRow(linear, row, std::span(q).first(static_cast<size_t>(linear.k())));
                      for (int64_t i = 0; i < row_bytes; ++i) {
                        const auto at = static_cast<size_t>(2 * i);
                        to[i] = static_cast<std::byte>((q[at] + 8) | (q[at + 1] + 8) << 4);
                      }
                    });
}

std::vector<TensorSource> StaticTensors(const QuantizedLinear& linear, DType deq_scale,
                                        const Compute& compute) {
  const std::string& prefix = linear.prefix;
  const auto n = linear.n();
  std::vector<TensorSource> tensors;
  tensors.push_back(BytesOfWeights(linear, compute));
  if (linear.scheme == QuantScheme::kW8A8) {
    tensors.push_back(ValuesSource(prefix + ".weight_scale", DType::kF32, {n, 1}, linear.scales));
    tensors.push_back(ValuesSource(prefix + ".weight_offset", DType::kF32, {n, 1},
                                   std::vector<float>(static_cast<size_t>(n), 0.0f)));
  }
  tensors.push_back(ValuesSource(prefix + ".input_scale", DType::kF32, {1},
                                 std::vector<float>{linear.input.scale}));
  tensors.push_back(ValuesSource(prefix + ".input_offset", DType::kF32, {1},
                                 std::vector<float>{static_cast<float>(linear.input.offset)}));
  std::vector<int32_t> bias;
  for (int32_t sum : linear.sums) bias.push_back(-linear.input.offset * sum);
  tensors.push_back(ValuesSource(prefix + ".quant_bias", DType::kI32, {n}, std::move(bias)));
  std::vector<float> products;
  for (float scale : linear.scales) products.push_back(linear.input.scale * scale);
  if (deq_scale == DType::kF32) {
    tensors.push_back(ValuesSource(prefix + ".deq_scale", deq_scale, {n}, std::move(products)));
  } else {
    std::vector<int64_t> bits;
    for (float product : products) bits.push_back(int64_t{std::bit_cast<uint32_t>(product)});
    tensors.push_back(ValuesSource(prefix + ".deq_scale", DType::kI64, {n}, std::move(bits)));
  }
  return tensors;
}

}  // namespace

void MeasureWeights(QuantizedLinear& linear, const MeasureOptions& options,
                    const Compute& compute) {
  const auto rows = static_cast<size_t>(linear.n());
  linear.scales.assign(rows * static_cast<size_t>(linear.num_groups()), 0.0f);
  if (IsStatic(linear.scheme)) linear.sums.assign(rows, 0);
  if (linear.scheme == QuantScheme::kW8A8S) {
    linear.threshold = OutlierThreshold(linear.weight, options.fraction, compute);
  }
  compute.pool->ParallelFor(linear.n(), 8, [&](int64_t first, int64_t last) {
    std::vector<int8_t> q(static_cast<size_t>(linear.k()));
    for (int64_t row = first; row < last; ++row) {
      const auto at = static_cast<size_t>(row);
      const std::vector<float> weights = ReadRow(linear, row);
      CheckFinite(linear, weights, row);
      if (linear.scheme == QuantScheme::kW4) {
        MeasureFourBits(linear, row, weights, options);
        continue;
      }
      linear.scales[at] = linear.scheme == QuantScheme::kW8A8S
                              ? ScaleSparseRow(weights, linear.threshold).scale
                              : ScaleEightBits(weights);
      if (linear.sums.empty()) continue;
      RoundToScale(weights, linear.scales[at], q);
      for (int8_t value : q) linear.sums[at] += value;
    }
  });
}

void QuantizeRow(const QuantizedLinear& linear, int64_t row, std::span<int8_t> q) {
  const std::vector<float> weights = ReadRow(linear, row);
  const std::span<const float> scales = ScalesOf(linear, row);
  if (linear.scheme != QuantScheme::kW4) return RoundToScale(weights, scales[0], q);
  for (size_t i = 0; i < weights.size(); ++i) {
    const float scale = scales[i / static_cast<size_t>(linear.group)];
    q[i] = scale == 0.0f ? int8_t{0}
                         : static_cast<int8_t>(RoundClamped(weights[i] / scale, -8.0f, 7.0f));
  }
}

void FakeQuantizeRow(const QuantizedLinear& linear, int64_t row, std::span<float> to) {
  const std::vector<float> weights = ReadRow(linear, row);
  std::vector<int8_t> q(weights.size());
  QuantizeRow(linear, row, q);
  const bool is_sparse = linear.scheme == QuantScheme::kW8A8S;
  const SparseRowScale sparse =
      is_sparse ? ScaleSparseRow(weights, linear.threshold) : SparseRowScale{};
  const std::span<const float> scales = ScalesOf(linear, row);
  for (size_t i = 0; i < weights.size(); ++i) {
    const bool outlier = is_sparse && std::fabs(weights[i]) > linear.threshold;
    const float scale = scales[linear.group == 0 ? 0 : i / static_cast<size_t>(linear.group)];
    to[i] = static_cast<float>(q[i]) * (outlier ? sparse.fake_outlier_scale : scale);
  }
}

std::vector<TensorSource> TensorsOf(const QuantizedLinear& linear, DType deq_scale,
                                    const Compute& compute) {
  if (IsStatic(linear.scheme)) return StaticTensors(linear, deq_scale, compute);
  std::vector<TensorSource> tensors;
  if (linear.scheme == QuantScheme::kW4) {
    std::vector<uint16_t> halves;
    for (float scale : linear.scales) halves.push_back(ToHalf(scale).bits);
    tensors.push_back(NibblesOfWeights(linear, compute));
    tensors.push_back(ValuesSource(linear.prefix + ".weight_scale", DType::kF16,
                                   {linear.n(), linear.num_groups()}, std::move(halves)));
    return tensors;
  }
  tensors.push_back(BytesOfWeights(linear, compute));
  tensors.push_back(
      ValuesSource(linear.prefix + ".weight_scale", DType::kF32, {linear.n(), 1}, linear.scales));
  return tensors;
}

const char* TagOf(QuantScheme scheme) {
  switch (scheme) {
    case QuantScheme::kW8A8:
      return "W8A8";
    case QuantScheme::kW8A8S:
      return "W8A8S";
    case QuantScheme::kW8A8D:
      return "W8A8D";
    case QuantScheme::kW4:
      return "W4";
  }
  return "unknown";
}

}  // namespace ixc

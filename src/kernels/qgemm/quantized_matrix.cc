#include "kernels/qgemm/quantized_matrix.h"

#include <algorithm>
#include <cstring>
#include <random>

#include "base/checked.h"
#include "base/error.h"
#include "base/half.h"

namespace ixc {

namespace {

constexpr int64_t kMaxInputs = int64_t{1} << 24;  // of an outlier's entry

// An empty matrix of this shape with all its memory.
QuantizedMatrix Allocate(const QuantizedShape& shape) {
  const bool grouped = shape.scheme == QuantScheme::kW4;
  if (grouped && shape.group != 32 && shape.group != 64 && shape.group != 128) {
    Fail("w4 wants groups of 32, 64 or 128 inputs, found {}", shape.group);
  }
  if (shape.n < 0 || shape.k < 0 || shape.k >= kMaxInputs) {
    Fail("cannot pack quantized weights of [{}, {}]", shape.n, shape.k);
  }
  QuantizedMatrix w;
  w.scheme = shape.scheme;
  w.n = shape.n;
  w.k = shape.k;
  w.group = grouped ? shape.group : 0;
  const auto panels = static_cast<uint64_t>(w.NumPanels());
  w.data = AlignedBuffer(CheckedMul(panels, w.PanelBytes(), "quantized weights"));
  const size_t padded = static_cast<size_t>(panels) * 16;
  if (grouped) {
    w.group_scales = AlignedBuffer(padded * static_cast<size_t>(w.NumGroups()) * sizeof(Half));
  } else {
    w.output_scale.assign(padded, 0.0f);
  }
  if (w.has_static_input()) w.output_bias.assign(padded, 0);
  if (w.scheme == QuantScheme::kW8A8S) w.outlier_begin.assign(padded + 1, 0);
  return w;
}

// Where the four or eight bits of a weight lie in its panel.
struct Place {
  size_t byte;
  int shift;
};

Place PlaceOf(const QuantizedMatrix& w, int64_t column, int64_t input) {
  if (!w.has_nibbles()) {
    return {static_cast<size_t>((input / 4 * 16 + column) * 4 + input % 4), 0};
  }
  return {static_cast<size_t>((input / 8 * 16 + column) * 4 + input % 4), input % 8 < 4 ? 0 : 4};
}

// Four weights, the first in the lowest byte.
uint32_t LoadFour(const int8_t* weights) {
  uint32_t word;
  std::memcpy(&word, weights, sizeof word);
  return word;
}

// Lists what does not fit into nibbles, and leaves what does.
void MoveOutliers(std::span<int8_t> weights, std::vector<uint32_t>& outliers) {
  for (size_t i = 0; i < weights.size(); ++i) {
    const int kept = std::clamp<int>(weights[i], -8, 7);
    if (kept == weights[i]) continue;
    const auto rest = static_cast<uint8_t>(static_cast<int8_t>(weights[i] - kept));
    outliers.push_back(static_cast<uint32_t>(i) << 8 | rest);
    weights[i] = static_cast<int8_t>(kept);
  }
}

// Packs one output, [padded k]: a word of every line of its panel. Adding 8 to four bits and 128 to
// eight turns the highest of them over.
void PackRow(QuantizedMatrix& w, int64_t row, std::span<const int8_t> weights) {
  constexpr size_t kLine = 64;
  std::byte* const panel = w.data.data() + static_cast<size_t>(row / 16) * w.PanelBytes();
  size_t at = static_cast<size_t>(row % 16) * 4;
  const size_t count = weights.size();
  if (!w.has_nibbles()) {
    for (size_t i = 0; i < count; i += 4, at += kLine) {
      const uint32_t word = LoadFour(&weights[i]) ^ 0x80808080u;
      std::memcpy(panel + at, &word, sizeof word);
    }
    return;
  }
  for (size_t i = 0; i < count; i += 8, at += kLine) {
    const uint32_t low = LoadFour(&weights[i]) & 0x0f0f0f0fu;
    const uint32_t high = LoadFour(&weights[i + 4]) & 0x0f0f0f0fu;
    const uint32_t word = (low | high << 4) ^ 0x88888888u;
    std::memcpy(panel + at, &word, sizeof word);
  }
}

void StoreGroupScales(QuantizedMatrix& w, int64_t row, std::span<const float> scales) {
  for (int64_t g = 0; g < w.NumGroups(); ++g) {
    const Half half = ToHalf(scales[static_cast<size_t>(g)]);
    const int64_t at = (row / 16 * w.NumGroups() + g) * 16 + row % 16;
    std::memcpy(w.group_scales.data() + at * int64_t{sizeof half}, &half, sizeof half);
  }
}

// Appends the lists of all outputs to the matrix.
void JoinOutliers(QuantizedMatrix& w, std::span<const std::vector<uint32_t>> lists) {
  size_t count = 0;
  for (size_t row = 0; row + 1 < w.outlier_begin.size(); ++row) {
    w.outlier_begin[row] = static_cast<uint32_t>(count);
    if (row < lists.size()) count += lists[row].size();
  }
  if (count > UINT32_MAX) Fail("a w8a8s matrix of {} outliers is beyond what can be packed", count);
  w.outlier_begin.back() = static_cast<uint32_t>(count);
  w.outliers.reserve(count);
  for (const auto& list : lists) w.outliers.insert(w.outliers.end(), list.begin(), list.end());
}

}  // namespace

const char* Name(QuantScheme scheme) {
  switch (scheme) {
    case QuantScheme::kW8A8:
      return "w8a8";
    case QuantScheme::kW8A8S:
      return "w8a8s";
    case QuantScheme::kW8A8D:
      return "w8a8d";
    case QuantScheme::kW4:
      return "w4";
  }
  return "unknown";
}

QuantizedMatrix PackQuantized(const QuantizedShape& shape, const FillQuantizedRow& fill,
                              const Compute& compute) {
  QuantizedMatrix w = Allocate(shape);
  const bool keeps_outliers = w.scheme == QuantScheme::kW8A8S;
  std::vector<std::vector<uint32_t>> outliers(keeps_outliers ? static_cast<size_t>(w.n) : 0);
  // What is stored as zeros.
  const auto lowest = static_cast<int8_t>(w.has_nibbles() ? -8 : -128);
  compute.pool->ParallelFor(w.NumPanels(), 1, [&](int64_t first, int64_t last) {
    std::vector<int8_t> row_weights(static_cast<size_t>(w.PaddedK()));
    std::vector<float> scales(static_cast<size_t>(w.NumGroups()));
    const std::span<int8_t> weights = std::span(row_weights).first(static_cast<size_t>(w.k));
    for (int64_t panel = first; panel < last; ++panel) {
      for (int64_t row = panel * 16; row < panel * 16 + 16; ++row) {
        std::fill(row_weights.begin(), row_weights.end(), lowest);
        std::fill(scales.begin(), scales.end(), 0.0f);
        if (row < w.n) {
          fill(row, {weights, scales});
          if (keeps_outliers) MoveOutliers(weights, outliers[static_cast<size_t>(row)]);
        }
        PackRow(w, row, row_weights);
        StoreGroupScales(w, row, scales);
      }
    }
  });
  if (keeps_outliers) JoinOutliers(w, outliers);
  return w;
}

int UnpackWeight(const QuantizedMatrix& w, int64_t output, int64_t input) {
  const std::byte* panel = w.data.data() + static_cast<size_t>(output / 16) * w.PanelBytes();
  const Place place = PlaceOf(w, output % 16, input);
  const int byte = static_cast<int>(panel[place.byte]);
  if (!w.has_nibbles()) return byte - 128;
  int value = ((byte >> place.shift) & 15) - 8;
  if (w.scheme != QuantScheme::kW8A8S) return value;
  const auto row = static_cast<size_t>(output);
  for (uint32_t at = w.outlier_begin[row]; at < w.outlier_begin[row + 1]; ++at) {
    if (w.outliers[at] >> 8 == input) value += static_cast<int8_t>(w.outliers[at] & 0xff);
  }
  return value;
}

QuantizedMatrix RandomQuantizedMatrix(const QuantizedShape& shape, uint32_t seed) {
  QuantizedMatrix w = Allocate(shape);
  std::minstd_rand random(seed + 1);
  constexpr size_t kPeriod = 65521;
  std::vector<std::byte> stretch(kPeriod);
  const auto value_of = [&](uint32_t bits) {
    if (!w.has_nibbles()) return 1 + bits % 255;  // w + 128: 1 … 255
    if (w.scheme == QuantScheme::kW4) return bits & 0xff;
    return (1 + bits % 15) | (1 + (bits >> 8) % 15) << 4;  // -7 … 7 each
  };
  for (std::byte& byte : stretch) byte = static_cast<std::byte>(value_of(random() >> 8));
  for (size_t at = 0; at < w.data.size(); at += kPeriod) {
    std::memcpy(w.data.data() + at, stretch.data(), std::min(kPeriod, w.data.size() - at));
  }
  const auto small = [&] { return static_cast<float>(1 + (random() >> 8) % 1000) * 1e-6f; };
  for (float& scale : w.output_scale) scale = small();
  for (int32_t& bias : w.output_bias) bias = static_cast<int32_t>(random() % 4001) - 2000;
  for (size_t at = 0; at < w.group_scales.size(); at += sizeof(Half)) {
    const Half scale = ToHalf(small());
    std::memcpy(w.group_scales.data() + at, &scale, sizeof scale);
  }
  if (w.has_static_input()) {
    w.input_scale = 0.02f;
    w.input_offset = -14;
  }
  if (w.scheme == QuantScheme::kW8A8S) {
    std::vector<std::vector<uint32_t>> lists(static_cast<size_t>(w.n));
    for (auto& list : lists) {
      for (int64_t i = random() % 300; i < w.k; i += 1 + random() % 300) {
        const int rest = 1 + static_cast<int>(random() % 15);
        const auto byte = static_cast<uint8_t>(static_cast<int8_t>(rest % 2 == 0 ? rest : -rest));
        list.push_back(static_cast<uint32_t>(i) << 8 | byte);
      }
    }
    JoinOutliers(w, lists);
  }
  return w;
}

}  // namespace ixc

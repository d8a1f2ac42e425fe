#include "model/rope_table.h"

#include <algorithm>
#include <cmath>

namespace ixc {

RopeTable::RopeTable(const RopeConfig& config)
    : config_(config), longest_(config.max_position_embeddings) {
  SetBase(static_cast<float>(config.theta));
}

void RopeTable::SetBase(float base) {
  const int half = config_.head_dim / 2;
  inv_freq_.resize(static_cast<size_t>(half));
  for (int i = 0; i < half; ++i) {
    const float exponent = static_cast<float>(2 * i) / static_cast<float>(config_.head_dim);
    const float power = std::pow(base, exponent);
    inv_freq_[static_cast<size_t>(i)] = 1.0f / power;
  }
}

void RopeTable::Lookup(int64_t first, int64_t total_length, MatrixView cos, MatrixView sin) {
  if (config_.scaling.type == RopeScaling::Type::kDynamic && total_length > longest_) {
    longest_ = total_length;
    // base' = base (f S / M - (f - 1))^(d / (d - 2)), in double and rounded once: in the reference
    // this one is a Python number, not a tensor.
    const double d = config_.head_dim;
    const double f = config_.scaling.factor;
    const double growth = f * static_cast<double>(total_length) /
                              static_cast<double>(config_.max_position_embeddings) -
                          (f - 1.0);
    SetBase(static_cast<float>(config_.theta * std::pow(growth, d / (d - 2.0))));
  }
  const bool linear = config_.scaling.type == RopeScaling::Type::kLinear;
  for (int64_t row = 0; row < cos.rows; ++row) {
    float position = static_cast<float>(first + row);
    if (linear) position /= static_cast<float>(config_.scaling.factor);
    for (int64_t i = 0; i < cos.cols; ++i) {
      const float angle = position * inv_freq_[static_cast<size_t>(i)];
      cos.Row(row)[i] = std::cos(angle);
      sin.Row(row)[i] = std::sin(angle);
    }
  }
}

bool RopeTable::KeepsAngles(int64_t total_length) const {
  return config_.scaling.type != RopeScaling::Type::kDynamic ||
         std::max(total_length, longest_) <= config_.max_position_embeddings;
}

}  // namespace ixc

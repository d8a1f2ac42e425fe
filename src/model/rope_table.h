// Rotary angles of InternLM2: plain, linear scaling, dynamic NTK scaling (docs/numerics.md).
//
//   inv_freq[i] = 1 / base^(2 i / head_dim),   angle(p, i) = p * inv_freq[i]
//
// Every step is rounded to float32, as in the reference: at position 8,000 one unit in the last
// place of inv_freq already moves a logit by more than all other rounding together.
#pragma once

#include <cstdint>
#include <vector>

#include "formats/model_config.h"
#include "tensor/tensor.h"

namespace ixc {

struct RopeConfig {
  double theta = 10000.0;
  int head_dim = 0;
  RopeScaling scaling;
  int64_t max_position_embeddings = 0;
};

// The table of one sequence. Dynamic scaling has memory: the base grows when the sequence outgrows
// the longest length seen so far, and keys rotated earlier keep their rotation.
class RopeTable {
 public:
  explicit RopeTable(const RopeConfig& config);

  // cos and sin of positions [first, first + rows) of a sequence that is total_length long, each
  // [rows, head_dim / 2].
  void Lookup(int64_t first, int64_t total_length, MatrixView cos, MatrixView sin);

  // Whether keys of this sequence are rotated as they are in any sequence of total_length: not once
  // dynamic scaling has changed the base or would change it.
  bool KeepsAngles(int64_t total_length) const;

 private:
  void SetBase(float base);

  RopeConfig config_;
  int64_t longest_ = 0;
  std::vector<float> inv_freq_;
};

}  // namespace ixc

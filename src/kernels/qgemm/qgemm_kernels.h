// What the files of one instruction set give to the products of integer weights: plain structs and
// function pointers only, so that files compiled for wide instructions can include it.
#pragma once

#include <stdint.h>

namespace ixc {

// The most rows that go through the few-row product of any instruction set.
constexpr int kMaxFewQuantRows = 12;

// Inputs of one pass of the blocked product: a multiple of every group.
constexpr int64_t kQuantBlockK = 512;

// Granularity of the sums of quantized activations; every group is a multiple of it.
constexpr int64_t kSumInputs = 32;

// One row of activations to signed bytes; see quantized_matrix.h for the formulas.
struct QuantizeActivations {
  const float* x;       // [k]
  int8_t* q;            // [padded_k], zeros beyond k
  int32_t* sums;        // [padded_k / kSumInputs] sums of q
  int64_t k, padded_k;  // padded_k is a multiple of 64
  bool per_token;       // else by input_scale and input_offset
  float input_scale;
  float input_offset;
};

// y[0 … cols) of one row. Integers: y = (float(acc + row_bias + output_bias[j]) * output_scale[j])
// * row_scale; groups (output_scale is null): y = acc * row_scale. Then bias, then y += if wanted.
struct QGemmEpilogueRow {
  const void* acc;             // int32, or float32 for groups
  const int32_t* output_bias;  // or null
  const float* output_scale;
  const float* bias;  // or null
  float* y;
  int64_t cols;
  int32_t row_bias;
  float row_scale;
  bool accumulate;
};

// One register tile over one k block: acc[r][16 p + j] (+)= sum over i of q[r][i] * b[p][i][j].
// The integers are exact. For groups acc is float32 and grows group by group, in order:
//   acc = fma(float(sum over the group of q b - 8 x_sums), scale, acc)
struct QGemmTile {
  const void* a;           // [k / step][tile_rows][step]
  const void* b;           // panel p at byte p * panel_bytes; as expand() leaves it
  void* acc;               // row r at element r * acc_stride, four bytes each
  const int32_t* x_sums;   // groups: [groups of this block][tile_rows]
  const uint16_t* scales;  // groups: F16, panel p at p * scale_stride, [groups of this block][16]
  int64_t k;               // at most kQuantBlockK, a multiple of 64
  int64_t panel_bytes;
  int64_t acc_stride;
  int64_t scale_stride;
  int64_t group;
  int rows;    // 1 … tile_rows
  int panels;  // 1 … tile_panels
  bool first;  // acc = instead of acc +=
};

// The outliers of one output times all rows of a block, on top of its column of sums. Activations
// are those of QGemmTile with a step of 4, all k blocks; see PackedAt().
struct QGemmOutliers {
  const uint8_t* a;         // packed activations of the whole pass
  const uint32_t* entries;  // as in QuantizedMatrix::outliers
  int64_t count;            // of entries, at least 1
  int32_t* acc;             // of row r at element r * acc_stride
  int64_t acc_stride;
  int64_t k;
  int64_t num_tiles;   // of the whole pass
  int64_t first_tile;  // of the block
  int rows;            // of the block, at most kOutlierBlockRows
};

// Where the packed activations of one tile start within a k block, counted in inputs of one row:
// times the rows of a tile and the bytes of an input.
static inline int64_t PackedAt(int64_t num_tiles, int64_t tile, int64_t k0, int64_t depth) {
  return k0 * num_tiles + tile * depth;
}

// A few rows against whole panels read straight from the packed weights, all of k in one go. What
// comes out is what the tile gives.
struct QGemmFewRows {
  const int8_t* x;         // [k / 4][rows][4]
  const uint8_t* w;        // [panels], panel_bytes each, as packed
  void* out;               // row r at element r * out_stride
  const int32_t* x_sums;   // groups: [groups][rows]
  const uint16_t* scales;  // groups: [panels][groups][16]
  int64_t k;               // a multiple of 64
  int64_t panel_bytes;
  int64_t out_stride;
  int64_t group;
  int rows;
  int panels;
};

// How one instruction set multiplies one kind of weights.
struct QGemmCode {
  int tile_rows;
  int tile_panels;
  int step;     // inputs of a row that lie side by side in packed activations
  int offset;   // what the tile's weights are too large by (groups: it takes care itself)
  int b_bytes;  // of one weight as the tile reads it: 1 or 2
  // Packed weights [k / 4][16][4] (or nibbles) to what the tile reads; null: it reads them as they
  // are.
  void (*expand)(const uint8_t* from, int64_t k, void* to);
  void (*tile)(const QGemmTile& call);
  void (*few_rows)(const QGemmFewRows& call);  // null: has none
  void (*quantize)(const QuantizeActivations& call, float* scale);
  void (*epilogue)(const QGemmEpilogueRow& call);
  // Adds outliers behind the tiles; null: they go into the expanded weights.
  void (*outliers)(const QGemmOutliers& call) = nullptr;
  // Rows that a task has at once, 0: kRowBlock. More where tiles are fast beside the unpacking of
  // weights, which each block of rows repeats.
  int block_rows = 0;
  // What a thread does before its first tile of a task and behind its last; null: nothing.
  void (*enter)(int64_t group) = nullptr;
  void (*leave)() = nullptr;
};

constexpr int kOutlierBlockRows = 192;  // the most that AddOutliersAvx2 takes
void AddOutliersAvx2(const QGemmOutliers& call);

extern const QGemmCode kQGemmW8Avx2, kQGemmW8SAvx2, kQGemmW4Avx2;
extern const QGemmCode kQGemmW8Vnni, kQGemmW8SVnni, kQGemmW4Vnni;
extern const QGemmCode kQGemmW8Amx, kQGemmW8SAmx, kQGemmW4Amx;

}  // namespace ixc

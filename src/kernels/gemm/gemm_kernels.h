// What the files of one instruction set give to the matrix product: plain structs and function
// pointers only, so that files compiled for wide instructions can include it.
#pragma once

#include <stdint.h>

namespace ixc {

// The most rows that go through the few-row product of any instruction set.
constexpr int kMaxFewRows = 12;

// The three element types of packed float weights, as indices into the tables below.
enum FloatType { kTypeF32, kTypeF16, kTypeBF16, kNumFloatTypes };

// Inputs that are summed in one chain before they are added to what was summed before. Absolute
// positions in k, the same in every kernel. Two levels keep the rounding of a sum of 14,336
// products near that of one of 300, for nothing: the tile has to come back to memory here anyway.
constexpr int64_t kSumBlock = 256;

// One register tile: acc[r][16 p + j] (+)= sum over i of a[i][r] * b[p][i][j], k at most kSumBlock:
// one chain of fused multiply-adds in ascending i, then added to acc (or stored when `first`).
struct GemmTile {
  const float* a;  // [k][tile_rows of the instruction set]
  const void* b;   // panel p at element p * panel_stride, [k][16], float32 but for attention
  float* acc;      // row r at acc + r * acc_stride
  int64_t k;
  int64_t panel_stride;
  int64_t acc_stride;
  int rows;    // 1 … tile_rows
  int panels;  // 1 … tile_panels
  bool first;
  const char* next;  // attention of a few rows: read soon, fetched while the tile runs
};

// A few rows against `panels` whole panels read straight from the packed weights, all of k in one
// go: out[r][16 p + j] = sum over i of x[i][r] * w[p][i][j], in the same chains as above.
struct GemmFewRows {
  const float* x;  // [k][rows]
  const void* w;   // [panels][k][16]
  float* out;      // row r at out + r * out_stride
  int64_t k;
  int64_t out_stride;
  int rows;  // 1 … kMaxFewRows
  int panels;
};

// y[0 … cols) = epilogue(acc[0 … cols)) for one row; see gemm.h for the steps and their order.
struct GemmEpilogueRow {
  const float* acc;
  const float* bias;  // or null
  float* y;
  int64_t cols;
  float scale;
  int activation;  // an ixc::Activation
  bool accumulate;
};

// Everything that the blocked driver needs of one instruction set.
struct GemmIsa {
  int tile_rows;
  int tile_panels;
  void (*tile)(const GemmTile& call);
  void (*epilogue)(const GemmEpilogueRow& call);
  // Elements to float32; `count` is a multiple of 16. F32 has none: it is read in place.
  void (*widen[kNumFloatTypes])(const void* from, int64_t count, float* to);
  void (*few_rows[kNumFloatTypes])(const GemmFewRows& call);
};

// How panels are made out of 16 rows of a matrix.
struct PackPanel {
  const void* rows[16];  // not aligned; null: a row of zeros
  void* panel;           // [k][16]
  int64_t k;
  int from;  // FloatType
  int to;    // FloatType
};

extern const GemmIsa kGemmAvx2;
extern const GemmIsa kGemmAvx512;
void GemmEpilogueScalar(const GemmEpilogueRow& call);
void PackPanelScalar(const PackPanel& call);
void PackPanelAvx2(const PackPanel& call);

}  // namespace ixc

// Low-rank terms (partial LoRA) in the tasks of a product on many rows: x A^T is computed once a
// pass from packed activations and stays packed, and a task adds its share of the rest to the
// outputs that it has just written and that are still in its cache.
#pragma once

#include <vector>

#include "kernels/gemm/low_rank.h"
#include "kernels/gemm/tiled_product.h"

namespace ixc {

class LowRankTail {
 public:
  // Of the pass over rows [first_row, first_row + rows) of x and y in blocks of block_rows.
  LowRankTail(const GemmIsa& isa, std::span<const LowRankTerm> terms, int64_t first_row,
              int64_t rows, int64_t block_rows);

  bool empty() const { return parts_.empty(); }
  // Of the memory that Prepare() takes.
  int64_t NumFloats() const;
  // The tiles of a block that Prepare() reads.
  TileSpan Wanted(const TiledRows& x, int64_t block) const;

  // x A^T of every term; x holds at least the tiles that are wanted.
  void Prepare(const TiledRows& x, float* memory, ThreadPool& pool);
  // To columns [first_output, last_output) of the rows of a block; y is the whole. Any thread.
  void AddTo(MatrixView y, int64_t block, int64_t first_output, int64_t last_output) const;

 private:
  struct Part {
    const LowRankTerm* term;
    TiledRows low_rank;  // x A^T
  };

  struct ColumnRange {
    int64_t begin, end;
  };

  RowRange InPass(RowRange rows) const;
  // From the first tile of the block that holds a row of the term to the last.
  TileSpan SpanOf(const LowRankTerm& term, const TiledRows& x, int64_t block) const;
  void Multiply(const Part& part, const TiledRows& x, int64_t block, int64_t first_panel,
                int64_t last_panel) const;
  // out[columns] += scale * the sums of a row, which begin with the panel of the first column.
  void AddRow(const TileSums& sums, int64_t row, ColumnRange columns, float scale,
              float* out) const;

  const GemmIsa& isa_;
  int64_t first_row_;
  std::vector<Part> parts_;
};

}  // namespace ixc

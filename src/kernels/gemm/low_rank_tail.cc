#include "kernels/gemm/low_rank_tail.h"

#include <algorithm>

#include "kernels/blocking.h"

namespace ixc {

LowRankTail::LowRankTail(const GemmIsa& isa, std::span<const LowRankTerm> terms, int64_t first_row,
                         int64_t rows, int64_t block_rows)
    : isa_(isa), first_row_(first_row) {
  const RowRange pass{first_row, first_row + rows};
  for (const LowRankTerm& term : terms) {
    const bool has_rows = std::any_of(term.rows.begin(), term.rows.end(),
                                      [&](RowRange range) { return !range.Within(pass).empty(); });
    if (has_rows) parts_.push_back({&term, TiledRows(isa, rows, block_rows, term.a->n)});
  }
}

int64_t LowRankTail::NumFloats() const {
  int64_t floats = 0;
  for (const Part& part : parts_) floats += part.low_rank.NumFloats();
  return floats;
}

RowRange LowRankTail::InPass(RowRange rows) const {
  return {rows.begin - first_row_, rows.end - first_row_};
}

TileSpan LowRankTail::SpanOf(const LowRankTerm& term, const TiledRows& x, int64_t block) const {
  TileSpan span;
  for (RowRange range : term.rows) {
    const TileSpan tiles = x.TilesOf(block, InPass(range));
    if (tiles.empty()) continue;
    if (span.empty()) span = tiles;
    span.last = tiles.last;
  }
  return span;
}

TileSpan LowRankTail::Wanted(const TiledRows& x, int64_t block) const {
  TileSpan wanted;
  for (const Part& part : parts_) {
    const TileSpan span = SpanOf(*part.term, x, block);
    if (span.empty()) continue;
    if (wanted.empty()) wanted = span;
    wanted = {std::min(wanted.first, span.first), std::max(wanted.last, span.last)};
  }
  return wanted;
}

void LowRankTail::Prepare(const TiledRows& x, float* memory, ThreadPool& pool) {
  struct Task {
    const Part* part;
    int64_t block, first_panel, last_panel;
  };
  std::vector<Task> tasks;
  const auto all_blocks = x.num_blocks() * static_cast<int64_t>(parts_.size());
  for (Part& part : parts_) {
    part.low_rank.UseMemory(memory);
    memory += part.low_rank.NumFloats();
    const int64_t panels = part.term->a->NumPanels();
    const int64_t chunk = ChunkPanels(panels, all_blocks, pool.num_threads());
    for (int64_t first = 0; first < panels; first += chunk) {
      for (int64_t block = 0; block < x.num_blocks(); ++block) {
        if (SpanOf(*part.term, x, block).empty()) continue;
        tasks.push_back({&part, block, first, std::min(panels, first + chunk)});
      }
    }
  }
  pool.ParallelFor(static_cast<int64_t>(tasks.size()), 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const Task& task = tasks[static_cast<size_t>(i)];
      Multiply(*task.part, x, task.block, task.first_panel, task.last_panel);
    }
  });
}

void LowRankTail::Multiply(const Part& part, const TiledRows& x, int64_t block, int64_t first_panel,
                           int64_t last_panel) const {
  const TileSpan tiles = SpanOf(*part.term, x, block);
  const TileSums sums = MultiplyTiles(isa_, x, tiles, *part.term->a, first_panel, last_panel);
  const int64_t rank = part.term->a->n;
  for (int64_t tile = tiles.first; tile < tiles.last; ++tile) {
    for (int64_t r = 0; r < x.NumRows(tile); ++r) {
      const int64_t row = (tile - tiles.first) * isa_.tile_rows + r;
      for (int64_t panel = first_panel; panel < last_panel; ++panel) {
        const int64_t from = panel - first_panel;
        const float* sum =
            sums.Row(row, from / isa_.tile_panels) + from % isa_.tile_panels * kPanelWidth;
        float* to = part.low_rank.At(tile, r, panel * kPanelWidth);
        const int64_t count = std::min<int64_t>(kPanelWidth, rank - panel * kPanelWidth);
        for (int64_t j = 0; j < count; ++j) to[j * isa_.tile_rows] = sum[j];
      }
    }
  }
}

void LowRankTail::AddTo(MatrixView y, int64_t block, int64_t first_output,
                        int64_t last_output) const {
  for (const Part& part : parts_) {
    const LowRankTerm& term = *part.term;
    const TileSpan tiles = SpanOf(term, part.low_rank, block);
    // The term's own columns from here on.
    const int64_t first = std::max<int64_t>(0, first_output - term.first_output);
    const int64_t last = std::min(term.b->n, last_output - term.first_output);
    if (tiles.empty() || first >= last) continue;
    const TileSums sums = MultiplyTiles(isa_, part.low_rank, tiles, *term.b, first / kPanelWidth,
                                        CeilDiv(last, kPanelWidth));
    const RowRange all = part.low_rank.RowsOf(tiles);
    for (RowRange range : term.rows) {
      const RowRange rows = InPass(range).Within(all);
      for (int64_t row = rows.begin; row < rows.end; ++row) {
        float* out = y.Row(first_row_ + row) + term.first_output;
        AddRow(sums, row - all.begin, {first, last}, term.scale, out);
      }
    }
  }
}

void LowRankTail::AddRow(const TileSums& sums, int64_t row, ColumnRange columns, float scale,
                         float* out) const {
  int64_t column = columns.begin / kPanelWidth * kPanelWidth;  // the first of the group
  for (int64_t group = 0; column < columns.end; ++group, column += sums.width) {
    const int64_t begin = std::max(columns.begin, column);
    const int64_t end = std::min(columns.end, column + sums.width);
    const float* sum = sums.Row(row, group) + (begin - column);
    isa_.epilogue({sum, nullptr, out + begin, end - begin, scale, 0, true});
  }
}

}  // namespace ixc

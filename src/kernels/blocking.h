// How a product of packed weights is cut into tasks: what the float product (gemm/) and the one of
// integer weights (qgemm/) have in common.
#pragma once

#include <algorithm>
#include <cstdint>

namespace ixc {

constexpr int64_t CeilDiv(int64_t a, int64_t b) { return (a + b - 1) / b; }

// Many rows: rows of activations that a task has at once, 96 to 192 KiB of them in L2.
inline constexpr int64_t kRowBlock = 192;

// Panels of 16 outputs in one task: 256 outputs, less where there would be too few tasks to even
// out.
inline int64_t ChunkPanels(int64_t num_panels, int64_t row_blocks, int num_threads) {
  int64_t panels = 16;
  while (panels > 2 && CeilDiv(num_panels, panels) * row_blocks < int64_t{4} * num_threads) {
    panels /= 2;
  }
  return panels;
}

// Many rows: while the tiles of a group of panels run, the slices of the next group come in from
// memory, a part of each with every tile.
class SliceFetch {
 public:
  // The slices of this group: the first at `slice`, `panels` of them `panel_bytes` apart.
  SliceFetch(const void* slice, int64_t panel_bytes, int64_t panels, int64_t slice_bytes,
             int64_t tiles)
      : next_(static_cast<const char*>(slice) + panels * panel_bytes),
        panel_bytes_(panel_bytes),
        panels_(panels),
        lines_per_tile_(CeilDiv(slice_bytes, tiles * 64)) {}

  void Advance() {
    for (int64_t line = 0; line < lines_per_tile_; ++line, next_ += 64) {
      for (int64_t p = 0; p < panels_; ++p) __builtin_prefetch(next_ + p * panel_bytes_, 0, 2);
    }
  }

 private:
  const char* next_;
  int64_t panel_bytes_, panels_, lines_per_tile_;
};

// Few rows: panels in one call of the kernel.
inline constexpr int kPanelsAtOnce = 8;

// Few rows: panels of a task. Pieces of about half a megabyte: long enough to stream, short enough
// to even out neighbours.
inline int64_t FewRowGrain(int64_t panel_bytes) {
  constexpr int64_t kPieceBytes = int64_t{1} << 19;
  const int64_t piece =
      std::clamp<int64_t>(CeilDiv(kPieceBytes, std::max<int64_t>(1, panel_bytes)), 1, 1024);
  return CeilDiv(piece, kPanelsAtOnce) * kPanelsAtOnce;
}

}  // namespace ixc

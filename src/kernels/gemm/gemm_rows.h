// The inner loops of the matrix product in terms of Vec (one panel's width): the register tile,
// the few-row product and the widening of a stretch of a panel. Each output is summed
// in the same order in all of them: see kSumBlock.
#pragma once

#include "kernels/gemm/gemm_kernels.h"
#include "kernels/simd/vec.h"

namespace ixc {
namespace {

inline Vec LoadWide(const float* p) { return Load(p); }

// Keys and values of one byte.
inline Vec LoadWide(const int8_t* p) { return LoadByte(p); }

// F16 and BF16 elements; of bytes, since matrices in files may start at odd addresses.
struct HalfBits {
  uint8_t bytes[2];
};
inline Vec LoadWide(const HalfBits* p) { return LoadHalf(p); }

struct BrainBits {
  uint8_t bytes[2];
};
inline Vec LoadWide(const BrainBits* p) { return LoadBrain(p); }

template <typename T>
void WidenStretch(const void* from, int64_t count, float* to) {
  const T* elements = static_cast<const T*>(from);
  for (int64_t i = 0; i < count; i += 16) Store(to + i, LoadWide(elements + i));
}

// The tile of GemmTile with its numbers known: activation (r, i) lies at a[r * row_step + i *
// k_step]. With kFetch it asks for as many bytes of call.next as it reads of its panels, one line
// after the other: in a burst they would fill the queue of misses and stand still.
template <typename T, int kRows, int kPanels, int kRowStep, int kKStep, bool kFetch = false>
inline void MultiplyTile(const GemmTile& call) {
  Vec sum[kRows][kPanels];
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 2
    for (int p = 0; p < kPanels; ++p) {
      sum[r][p] = Set1(0.0f);
    }
  }
  const float* a = call.a;
  const T* b = static_cast<const T*>(call.b);
  const int64_t panel_stride = call.panel_stride;
  const char* next = call.next;
#pragma GCC unroll 4
  for (int64_t i = call.k; i > 0; --i, a += kKStep, b += 16) {
    if constexpr (kFetch) {
      __builtin_prefetch(next, 0, 2);
      next += int64_t{kPanels} * 16 * sizeof(T);
    }
    Vec weights[kPanels];
#pragma GCC unroll 2
    for (int p = 0; p < kPanels; ++p) weights[p] = LoadWide(b + p * panel_stride);
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r) {
      const Vec x = Set1(a[r * kRowStep]);
#pragma GCC unroll 2
      for (int p = 0; p < kPanels; ++p) sum[r][p] = MulAdd(x, weights[p], sum[r][p]);
    }
  }
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 2
    for (int p = 0; p < kPanels; ++p) {
      float* acc = call.acc + r * call.acc_stride + 16 * p;
      Store(acc, call.first ? sum[r][p] : Add(Load(acc), sum[r][p]));
    }
  }
}

// Finds the tile for call.rows, the largest first: nearly all are that one.
template <typename T, int kRows, int kPanels, int kRowStep, int kKStep, bool kFetch = false>
inline void MultiplyRows(const GemmTile& call) {
  if constexpr (kRows > 1) {
    if (call.rows < kRows) {
      return MultiplyRows<T, kRows - 1, kPanels, kRowStep, kKStep, kFetch>(call);
    }
  }
  MultiplyTile<T, kRows, kPanels, kRowStep, kKStep, kFetch>(call);
}

// Rows first … first + kRows, inputs [k0, k0 + depth) of `kPanels` neighbouring panels, so that
// enough chains are in flight to hide the latency of the multiply-add; the weights are widened on
// the way into it. kAll: the rows of the call, a number known beforehand.
template <typename T, int kRows, int kPanels, int kAll = kRows>
inline void FewRowsOfBlock(const GemmFewRows& call, int first, int panel, int64_t k0,
                           int64_t depth) {
  const int64_t panel_size = call.k * 16;
  const T* w = static_cast<const T*>(call.w) + panel * panel_size + k0 * 16;
  Vec sum[kRows][kPanels];
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 8
    for (int p = 0; p < kPanels; ++p) sum[r][p] = Set1(0.0f);
  }
  const float* x = call.x + k0 * kAll + first;
  for (int64_t i = 0; i < depth; ++i, w += 16, x += kAll) {
#pragma GCC unroll 8
    for (int p = 0; p < kPanels; ++p) {
      const Vec weight = LoadWide(w + p * panel_size);
      // The group that finds its weights in L1 has the next block brought there meanwhile.
      if constexpr (kAll > kRows) {
        if (first > 0) __builtin_prefetch(w + p * panel_size + kSumBlock * 16);
      }
#pragma GCC unroll 16
      for (int r = 0; r < kRows; ++r) {
        sum[r][p] = MulAdd(Set1(x[r]), weight, sum[r][p]);
      }
    }
  }
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 8
    for (int p = 0; p < kPanels; ++p) {
      float* out = call.out + (first + r) * call.out_stride + 16 * (panel + p);
      Store(out, k0 == 0 ? sum[r][p] : Add(Load(out), sum[r][p]));
    }
  }
}

// work(k0, depth) for each block of inputs.
template <typename Work>
inline void ForBlocks(const GemmFewRows& call, Work&& work) {
  int64_t k0 = 0;
  do {  // also once when k is 0: the sums of nothing are zeros
    work(k0, call.k - k0 < kSumBlock ? call.k - k0 : kSumBlock);
    k0 += kSumBlock;
  } while (k0 < call.k);
}

template <typename T, int kRows, int kPanels>
inline void FewRowsOfPanels(const GemmFewRows& call, int panel) {
  ForBlocks(call, [&](int64_t k0, int64_t depth) {
    FewRowsOfBlock<T, kRows, kPanels>(call, 0, panel, k0, depth);
  });
}

template <typename T, int kRows, int kPanels>
inline void FewRows(const GemmFewRows& call) {
  int panel = 0;
  for (; panel + kPanels <= call.panels; panel += kPanels) {
    FewRowsOfPanels<T, kRows, kPanels>(call, panel);
  }
  for (; panel < call.panels; ++panel) FewRowsOfPanels<T, kRows, 1>(call, panel);
}

// More rows than there are registers for: two groups, one after the other, on every block of a
// panel, which the second one finds in L1.
template <typename T, int kRows>
inline void FewRowsInTwo(const GemmFewRows& call) {
  constexpr int kFirst = (kRows + 1) / 2;
  for (int panel = 0; panel < call.panels; ++panel) {
    ForBlocks(call, [&](int64_t k0, int64_t depth) {
      FewRowsOfBlock<T, kFirst, 1, kRows>(call, 0, panel, k0, depth);
      FewRowsOfBlock<T, kRows - kFirst, 1, kRows>(call, kFirst, panel, k0, depth);
    });
  }
}

}  // namespace
}  // namespace ixc

#include "kernels/gemm/packed_matrix.h"

#include <vector>

#include "base/checked.h"
#include "base/error.h"
#include "kernels/gemm/gemm_kernels.h"

namespace ixc {

namespace {

int FloatTypeOf(DType dtype) {
  switch (dtype) {
    case DType::kF32:
      return kTypeF32;
    case DType::kF16:
      return kTypeF16;
    case DType::kBF16:
      return kTypeBF16;
    default:
      Fail("cannot pack {} weights; wanted F32, F16 or BF16", Name(dtype));
  }
}

// Inputs a row: the product of all dimensions but the first.
int64_t RowLength(const TensorView& part) {
  if (part.shape.empty()) Fail("cannot pack a scalar as a weight matrix");
  const auto inputs = std::span(part.shape).subspan(1);
  return static_cast<int64_t>(CheckedElements(inputs, "weight matrix"));
}

// Start of every stacked row.
std::vector<const std::byte*> StackRows(std::span<const TensorView> parts, int64_t k) {
  std::vector<const std::byte*> rows;
  for (const TensorView& part : parts) {
    if (part.dtype != parts[0].dtype || RowLength(part) != k) {
      Fail("cannot stack {} {} on {} {}", Name(part.dtype), ShapeString(part.shape),
           Name(parts[0].dtype), ShapeString(parts[0].shape));
    }
    const size_t row_bytes = static_cast<size_t>(k) * SizeOf(part.dtype);
    for (int64_t row = 0; row < part.shape[0]; ++row) {
      rows.push_back(part.data + static_cast<size_t>(row) * row_bytes);
    }
  }
  return rows;
}

std::vector<const std::byte*> Reorder(std::vector<const std::byte*> rows,
                                      std::span<const int64_t> order) {
  if (order.empty()) return rows;
  std::vector<const std::byte*> ordered;
  ordered.reserve(order.size());
  for (int64_t row : order) {
    if (row < 0 || row >= static_cast<int64_t>(rows.size())) {
      Fail("row order names row {} of a matrix of {} rows", row, rows.size());
    }
    ordered.push_back(rows[static_cast<size_t>(row)]);
  }
  return ordered;
}

}  // namespace

StackedRows StackTensors(std::span<const TensorView> parts, std::span<const int64_t> row_order) {
  if (parts.empty()) Fail("cannot pack a weight matrix of no parts");
  const int64_t k = RowLength(parts[0]);
  return {Reorder(StackRows(parts, k), row_order), parts[0].dtype, k};
}

PackedMatrix PackMatrix(std::span<const TensorView> parts, DType dtype,
                        std::span<const int64_t> row_order, const Compute& compute) {
  const StackedRows stacked = StackTensors(parts, row_order);
  PackedMatrix packed;
  packed.dtype = dtype;
  packed.n = static_cast<int64_t>(stacked.rows.size());
  packed.k = stacked.k;
  const int from = FloatTypeOf(stacked.dtype);
  const int to = FloatTypeOf(dtype);
  packed.data = AlignedBuffer(
      CheckedMul(static_cast<uint64_t>(packed.NumPanels()), packed.PanelBytes(), "packed weights"));
  const auto pack = compute.isa >= Isa::kAvx2 ? PackPanelAvx2 : PackPanelScalar;
  compute.pool->ParallelFor(packed.NumPanels(), 4, [&](int64_t first, int64_t last) {
    for (int64_t panel = first; panel < last; ++panel) {
      PackPanel call{};
      call.panel = packed.data.data() + static_cast<size_t>(panel) * packed.PanelBytes();
      call.k = stacked.k;
      call.from = from;
      call.to = to;
      for (int64_t j = 0; j < kPanelWidth && panel * kPanelWidth + j < packed.n; ++j) {
        call.rows[j] = stacked.rows[static_cast<size_t>(panel * kPanelWidth + j)];
      }
      pack(call);
    }
  });
  return packed;
}

}  // namespace ixc

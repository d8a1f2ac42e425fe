// Views and owners of tensors. No arithmetic here.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "cpu/aligned_buffer.h"
#include "tensor/dtype.h"

namespace ixc {

// Bytes of a tensor that somebody else owns (a mapped file, as a rule), row-major, not necessarily
// aligned to the element size.
struct TensorView {
  DType dtype = DType::kF32;
  std::vector<int64_t> shape;
  const std::byte* data = nullptr;

  int64_t NumElements() const {
    int64_t elements = 1;
    for (int64_t dimension : shape) elements *= dimension;
    return elements;
  }
  size_t NumBytes() const { return static_cast<size_t>(NumElements()) * SizeOf(dtype); }
};

// "[4096, 1024]"
std::string ShapeString(std::span<const int64_t> shape);

// A float32 matrix that somebody else owns: row r starts at data + r * stride.
template <typename T>
struct BasicMatrixView {
  T* data = nullptr;
  int64_t rows = 0;
  int64_t cols = 0;
  int64_t stride = 0;

  T* Row(int64_t row) const { return data + row * stride; }
  BasicMatrixView Rows(int64_t first, int64_t count) const {
    return {data + first * stride, count, cols, stride};
  }
  BasicMatrixView Cols(int64_t first, int64_t count) const {
    return {data + first, rows, count, stride};
  }
  operator BasicMatrixView<const T>() const { return {data, rows, cols, stride}; }
};
using MatrixView = BasicMatrixView<float>;
using ConstMatrixView = BasicMatrixView<const float>;

// Rows [begin, end) of a matrix.
struct RowRange {
  int64_t begin = 0;
  int64_t end = 0;

  bool empty() const { return begin >= end; }
  RowRange Within(RowRange other) const {
    return {begin > other.begin ? begin : other.begin, end < other.end ? end : other.end};
  }
};

// An owned, 64-byte aligned float32 matrix [rows, cols] without padding between rows.
// Contents are unspecified until written.
class Matrix {
 public:
  Matrix() = default;
  Matrix(int64_t rows, int64_t cols)
      : rows_(rows), cols_(cols), buffer_(static_cast<size_t>(rows * cols) * sizeof(float)) {}

  int64_t rows() const { return rows_; }
  int64_t cols() const { return cols_; }
  float* data() { return reinterpret_cast<float*>(buffer_.data()); }
  const float* data() const { return reinterpret_cast<const float*>(buffer_.data()); }
  float* Row(int64_t row) { return data() + row * cols_; }
  const float* Row(int64_t row) const { return data() + row * cols_; }

  MatrixView View() { return {data(), rows_, cols_, cols_}; }
  ConstMatrixView View() const { return {data(), rows_, cols_, cols_}; }
  operator MatrixView() { return View(); }
  operator ConstMatrixView() const { return View(); }

 private:
  int64_t rows_ = 0;
  int64_t cols_ = 0;
  AlignedBuffer buffer_;
};

// Reads a whole F32, F16 or BF16 tensor as float32; any other dtype is an error naming `name`.
std::vector<float> ReadAsFloat(const TensorView& tensor, const std::string& name);

}  // namespace ixc

#include "tensor/tensor.h"

#include <cstring>

#include "base/error.h"
#include "base/half.h"

namespace ixc {

std::string ShapeString(std::span<const int64_t> shape) {
  std::string text = "[";
  for (size_t i = 0; i < shape.size(); ++i) {
    if (i > 0) text += ", ";
    text += std::to_string(shape[i]);
  }
  return text + "]";
}

namespace {

template <typename T>
void Widen(const std::byte* bytes, std::vector<float>& out) {
  for (size_t i = 0; i < out.size(); ++i) {
    T value;
    std::memcpy(&value, bytes + i * sizeof(T), sizeof(T));
    out[i] = ToFloat(value);
  }
}

}  // namespace

std::vector<float> ReadAsFloat(const TensorView& tensor, const std::string& name) {
  std::vector<float> values(static_cast<size_t>(tensor.NumElements()));
  switch (tensor.dtype) {
    case DType::kF32:
      Widen<float>(tensor.data, values);
      break;
    case DType::kF16:
      Widen<Half>(tensor.data, values);
      break;
    case DType::kBF16:
      Widen<BFloat16>(tensor.data, values);
      break;
    default:
      Fail("tensor '{}' is {}, wanted F32, F16 or BF16", name, Name(tensor.dtype));
  }
  return values;
}

}  // namespace ixc

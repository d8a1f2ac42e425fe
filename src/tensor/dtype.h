// Element types of tensors in files and in memory, under safetensors' names.
#pragma once

#include <cstddef>
#include <cstdint>

namespace ixc {

enum class DType : uint8_t { kF32, kF16, kBF16, kF64, kI8, kU8, kI16, kI32, kI64, kBool };

constexpr size_t SizeOf(DType dtype) {
  switch (dtype) {
    case DType::kF64:
    case DType::kI64:
      return 8;
    case DType::kF32:
    case DType::kI32:
      return 4;
    case DType::kF16:
    case DType::kBF16:
    case DType::kI16:
      return 2;
    case DType::kI8:
    case DType::kU8:
    case DType::kBool:
      return 1;
  }
  return 0;
}

// "F32", "F16", "BF16", …: the spelling of safetensors headers.
constexpr const char* Name(DType dtype) {
  constexpr const char* kNames[] = {"F32", "F16", "BF16", "F64", "I8",
                                    "U8",  "I16", "I32",  "I64", "BOOL"};
  return kNames[static_cast<size_t>(dtype)];
}

constexpr bool IsFloat(DType dtype) {
  return dtype == DType::kF32 || dtype == DType::kF16 || dtype == DType::kBF16;
}

}  // namespace ixc

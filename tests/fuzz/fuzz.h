// What the fuzz targets share: ixc::Error is the expected answer to bad bytes, anything else that
// escapes, crashes, hangs or reads out of bounds is a finding.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/error.h"
#include "formats/tensor_map.h"

namespace ixc {

template <typename Action>
void Attempt(Action&& action) {
  try {
    action();
  } catch (const Error&) {
  }
}

inline std::string_view AsText(const uint8_t* data, size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

// Reads every byte of every tensor, so that the sanitizer sees a view that leaves its file.
inline void Touch(const TensorMap& map) {
  uint8_t sum = 0;
  for (const NamedTensor& tensor : map.tensors) {
    const size_t size = tensor.view.NumBytes();
    for (size_t i = 0; i < size; ++i) sum ^= static_cast<uint8_t>(tensor.view.data[i]);
  }
  volatile uint8_t sink = sum;
  static_cast<void>(sink);
}

}  // namespace ixc

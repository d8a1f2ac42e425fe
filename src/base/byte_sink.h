// Where a writer of a file format puts its bytes, one after the other.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace ixc {

class ByteSink {
 public:
  virtual ~ByteSink() = default;

  virtual void Write(std::span<const std::byte> bytes) = 0;
  void Write(std::string_view text) { Write(std::as_bytes(std::span(text))); }
  // Bytes written so far, buffered ones included.
  virtual uint64_t size() const = 0;
};

}  // namespace ixc

// SHA-256 (FIPS 180-4), the checksum that download pages and Hugging Face's cache give.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace ixc {

class Sha256Hash {
 public:
  void Update(std::span<const std::byte> bytes);
  // 64 lower-case hexadecimal digits. Call once, at the end.
  std::string Finish();

 private:
  std::array<uint32_t, 8> state_ = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                    0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  std::array<std::byte, 64> block_{};  // what does not fill a block yet
  size_t pending_ = 0;
  uint64_t size_ = 0;
};

std::string Sha256(std::span<const std::byte> bytes);
inline std::string Sha256(std::span<const uint8_t> bytes) { return Sha256(std::as_bytes(bytes)); }

}  // namespace ixc

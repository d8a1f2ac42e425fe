// The lossless codec of compressed w8a8s weights ("ixc-nibble-1"; docs/quantization.md).
//
// W is [n, k], int8, and nearly all of it lies in -7 … 7. The stream is
//
//   n rows of (k + 1) / 2 bytes: w + 8 in four bits, even inputs in the low half; 0 stands for a
//     value that four bits do not hold
//   the values that the zeros stand for, one byte each, in the order of rows and inputs
//
// and the index has for each row, in eight bytes (little endian), how many such values the rows
// before it have. So a row can be read alone. On weights of w8a8s that is about 4.06 bits each.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

namespace ixc {

// X.info is [1, 1, k, n, kNibbleCodec]; the vendor's has 1 in the last place.
constexpr int64_t kNibbleCodec = 0x1637869;  // "ixc", version 1
constexpr const char* kNibbleCodecName = "ixc-nibble-1";

struct NibbleCoded {
  std::vector<std::byte> stream;
  std::vector<std::byte> index;
};

// Rows come from `read`, which fills [k], in ascending order.
NibbleCoded EncodeNibbles(int64_t n, int64_t k,
                          const std::function<void(int64_t row, std::span<int8_t> to)>& read);

// Reads rows of untrusted bytes, which must outlive it; from several threads at a time.
class NibbleDecoder {
 public:
  // Throws, naming `where`, on sizes that do not fit the shape and on an index that does not rise.
  NibbleDecoder(int64_t n, int64_t k, std::span<const std::byte> stream,
                std::span<const std::byte> index, std::string where);

  // Throws when the row has more or fewer values beyond four bits than the index says.
  void ReadRow(int64_t row, std::span<int8_t> to) const;

 private:
  uint64_t Begin(int64_t row) const;  // of the row's large values; of row n: how many there are

  int64_t n_, k_;
  size_t row_bytes_;
  std::span<const std::byte> nibbles_;
  std::span<const std::byte> large_;
  std::span<const std::byte> index_;
  std::string where_;
};

}  // namespace ixc

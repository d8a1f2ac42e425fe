// Compressed weights: two bytes of shape, index, stream.
#include <algorithm>
#include <span>
#include <vector>

#include "fuzz/fuzz.h"
#include "quant/nibble_codec.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  const int64_t n = data[0] % 16, k = data[1] % 64;
  const auto bytes = std::as_bytes(std::span(data + 2, size - 2));
  const size_t index_bytes = std::min(bytes.size(), static_cast<size_t>(n) * 8);
  ixc::Attempt([&] {
    const ixc::NibbleDecoder decoder(n, k, bytes.subspan(index_bytes), bytes.first(index_bytes),
                                     "fuzz");
    std::vector<int8_t> weights(static_cast<size_t>(n * k));
    for (int64_t row = 0; row < n; ++row) {
      decoder.ReadRow(
          row, std::span(weights).subspan(static_cast<size_t>(row * k), static_cast<size_t>(k)));
    }
    // What decodes is what encodes to the same values.
    const ixc::NibbleCoded again = ixc::EncodeNibbles(n, k, [&](int64_t row, std::span<int8_t> to) {
      std::copy_n(weights.begin() + row * k, k, to.begin());
    });
    const ixc::NibbleDecoder second(n, k, again.stream, again.index, "fuzz");
    std::vector<int8_t> row_again(static_cast<size_t>(k));
    for (int64_t row = 0; row < n; ++row) {
      second.ReadRow(row, row_again);
      if (!std::equal(row_again.begin(), row_again.end(), weights.begin() + row * k))
        __builtin_trap();
    }
  });
  return 0;
}

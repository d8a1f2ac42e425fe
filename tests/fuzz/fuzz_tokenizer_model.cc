// Bytes as a tokenizer.model: an error, or a tokenizer that encodes and decodes.
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "text/tokenizer.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  try {
    const ixc::Tokenizer tokenizer = ixc::Tokenizer::FromBytes(bytes, "fuzz");
    tokenizer.Encode("Hello <s> [UNUSED_TOKEN_145] ab ab\xFF 1234");
    tokenizer.EncodeOrdinary(bytes);
    std::vector<int32_t> ids(static_cast<size_t>(tokenizer.vocab_size()));
    std::iota(ids.begin(), ids.end(), 0);
    tokenizer.Decode(ids, /*skip_special=*/false);
  } catch (const ixc::Error&) {
  }
  return 0;
}

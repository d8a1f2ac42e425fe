// A PNG file. Every chunk has a checksum, which random changes would never get right: the mutator
// corrects them three times out of four.
#include <cstring>

#include "fuzz/fuzz_picture.h"
#include "unit/torch_bin_builder.h"

namespace {

constexpr size_t kSignatureBytes = 8;
constexpr size_t kChunkBytes = 12;  // length, type, checksum

uint32_t ReadBigEndian(const uint8_t* bytes) {
  uint32_t value;
  std::memcpy(&value, bytes, sizeof value);
  return __builtin_bswap32(value);
}

void CorrectChecksums(uint8_t* data, size_t size) {
  for (size_t at = kSignatureBytes; at + kChunkBytes <= size;) {
    const size_t length = ReadBigEndian(data + at);
    if (length > size - at - kChunkBytes) return;
    const uint32_t crc = __builtin_bswap32(ixc::Crc32(ixc::AsText(data + at + 4, 4 + length)));
    std::memcpy(data + at + 8 + length, &crc, sizeof crc);
    at += kChunkBytes + length;
  }
}

}  // namespace

extern "C" size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t max_size);

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t max_size,
                                          unsigned seed) {
  const size_t new_size = LLVMFuzzerMutate(data, size, max_size);
  if (seed % 4 != 0) CorrectChecksums(data, new_size);
  return new_size;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  ixc::FuzzPicture(ixc::DecodePng, data, size);
  return 0;
}

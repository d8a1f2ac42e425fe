// Nibbles and group scales in 512 bits: shared by the files compiled for AVX-512 (VNNI, AMX).
#pragma once

#include <immintrin.h>
#include <stdint.h>

namespace ixc {
namespace {

inline __m512 ScalesOf(const uint16_t* scales) {
  return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(scales)));
}

// Low and high halves of 64 bytes of nibbles.
inline __m512i LowNibbles(__m512i v) { return _mm512_and_si512(v, _mm512_set1_epi8(15)); }
inline __m512i HighNibbles(__m512i v) { return LowNibbles(_mm512_srli_epi16(v, 4)); }

// Lines of eight inputs to two lines of four, plus `add`.
inline void ExpandNibbles(const uint8_t* from, int64_t k, void* to, int add) {
  const __m512i more = _mm512_set1_epi8(static_cast<char>(add));
  auto* line = static_cast<uint8_t*>(to);
  for (int64_t i = 0; i < k; i += 8, from += 64, line += 128) {
    const __m512i both = _mm512_loadu_si512(from);
    _mm512_storeu_si512(line, _mm512_add_epi8(LowNibbles(both), more));
    _mm512_storeu_si512(line + 64, _mm512_add_epi8(HighNibbles(both), more));
  }
}

}  // namespace
}  // namespace ixc

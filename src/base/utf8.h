// UTF-8 by the rules of sentencepiece: sequences of 1 to 4 bytes, shortest form only, no
// surrogates, nothing above U+10FFFF; what is not a character is broken byte by byte.
#pragma once

#include <cstdint>
#include <string_view>

namespace ixc {

inline constexpr std::string_view kReplacementCharacter = "\xEF\xBF\xBD";  // U+FFFD

enum class Utf8Front {
  kCharacter,  // a whole character
  kOpen,       // may become one when more bytes follow
  kBroken,     // the first byte begins no character
};

struct Utf8Sequence {
  Utf8Front front;
  int length;               // bytes of the character; 1 when broken, 0 when open
  uint32_t code_point = 0;  // of a whole character
};

// What stands at the front of `bytes`, which are not empty.
Utf8Sequence ReadUtf8(std::string_view bytes);

bool IsUtf8(std::string_view text);

// Without the white space that Python's str.strip() removes, at one end.
std::string_view StripFront(std::string_view text);
std::string_view StripBack(std::string_view text);

}  // namespace ixc

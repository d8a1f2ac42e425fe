#include "base/utf8.h"

#include <algorithm>
#include <array>

namespace ixc {
namespace {

// The characters for which Python's str.isspace() is true, in UTF-8.
constexpr std::array<std::string_view, 29> kWhiteSpace = {" ",
                                                          "\t",
                                                          "\n",
                                                          "\v",
                                                          "\f",
                                                          "\r",
                                                          "\x1C",
                                                          "\x1D",
                                                          "\x1E",
                                                          "\x1F",
                                                          "\xC2\x85",
                                                          "\xC2\xA0",
                                                          "\xE1\x9A\x80",
                                                          "\xE2\x80\x80",
                                                          "\xE2\x80\x81",
                                                          "\xE2\x80\x82",
                                                          "\xE2\x80\x83",
                                                          "\xE2\x80\x84",
                                                          "\xE2\x80\x85",
                                                          "\xE2\x80\x86",
                                                          "\xE2\x80\x87",
                                                          "\xE2\x80\x88",
                                                          "\xE2\x80\x89",
                                                          "\xE2\x80\x8A",
                                                          "\xE2\x80\xA8",
                                                          "\xE2\x80\xA9",
                                                          "\xE2\x80\xAF",
                                                          "\xE2\x81\x9F",
                                                          "\xE3\x80\x80"};

// Bytes of the sequence that `lead` begins; 0 when it begins none.
int SequenceLength(uint8_t lead) {
  if (lead < 0x80) return 1;
  if ((lead & 0xE0) == 0xC0) return 2;
  if ((lead & 0xF0) == 0xE0) return 3;
  return (lead & 0xF8) == 0xF0 ? 4 : 0;
}

bool IsCharacter(uint32_t code_point, int length) {
  constexpr std::array<uint32_t, 5> kSmallest = {0, 0, 0x80, 0x800, 0x10000};
  const bool is_surrogate = code_point >= 0xD800 && code_point < 0xE000;
  return code_point >= kSmallest[static_cast<size_t>(length)] && code_point <= 0x10FFFF &&
         !is_surrogate;
}

}  // namespace

Utf8Sequence ReadUtf8(std::string_view bytes) {
  constexpr Utf8Sequence kBroken = {Utf8Front::kBroken, 1};
  const uint8_t lead = static_cast<uint8_t>(bytes[0]);
  const int length = SequenceLength(lead);
  if (length == 0) return kBroken;
  if (length == 1) return {Utf8Front::kCharacter, 1, lead};
  uint32_t code_point = lead & (0x7Fu >> length);
  for (int i = 1; i < length; ++i) {
    if (static_cast<size_t>(i) == bytes.size()) return {Utf8Front::kOpen, 0};
    const uint8_t trail = static_cast<uint8_t>(bytes[static_cast<size_t>(i)]);
    if ((trail & 0xC0) != 0x80) return kBroken;
    code_point = (code_point << 6) | (trail & 0x3Fu);
  }
  if (!IsCharacter(code_point, length)) return kBroken;
  return {Utf8Front::kCharacter, length, code_point};
}

bool IsUtf8(std::string_view text) {
  while (!text.empty()) {
    const Utf8Sequence sequence = ReadUtf8(text);
    if (sequence.front != Utf8Front::kCharacter) return false;
    text.remove_prefix(static_cast<size_t>(sequence.length));
  }
  return true;
}

std::string_view StripFront(std::string_view text) {
  const auto is_at_front = [&](std::string_view space) { return text.starts_with(space); };
  for (;;) {
    const auto space = std::ranges::find_if(kWhiteSpace, is_at_front);
    if (space == kWhiteSpace.end()) return text;
    text.remove_prefix(space->size());
  }
}

std::string_view StripBack(std::string_view text) {
  const auto is_at_back = [&](std::string_view space) { return text.ends_with(space); };
  for (;;) {
    const auto space = std::ranges::find_if(kWhiteSpace, is_at_back);
    if (space == kWhiteSpace.end()) return text;
    text.remove_suffix(space->size());
  }
}

}  // namespace ixc

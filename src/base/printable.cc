#include "base/printable.h"

#include <fmt/core.h>

#include <cstdint>

namespace ixc {
namespace {

struct Character {
  uint32_t code;
  size_t length;  // bytes; 0: not UTF-8
};

// The character at the front of `text`, which is not empty. RFC 3629: shortest form, no surrogates.
Character ReadCharacter(std::string_view text) {
  const auto lead = static_cast<uint8_t>(text[0]);
  if (lead < 0x80) return {lead, 1};
  const size_t extra = lead >= 0xf0 ? 3 : lead >= 0xe0 ? 2 : 1;
  if (lead < 0xc2 || lead > 0xf4 || text.size() <= extra) return {lead, 0};
  uint32_t code = lead & (0x3fu >> extra);
  for (size_t i = 1; i <= extra; ++i) {
    const auto byte = static_cast<uint8_t>(text[i]);
    if ((byte & 0xc0) != 0x80) return {lead, 0};
    code = (code << 6) | (byte & 0x3fu);
  }
  constexpr uint32_t kSmallest[] = {0, 0x80, 0x800, 0x10000};
  const bool surrogate = code >= 0xd800 && code < 0xe000;
  if (code < kSmallest[extra] || code > 0x10ffff || surrogate) return {lead, 0};
  return {code, extra + 1};
}

bool IsControl(uint32_t code) { return code < 0x20 || (code >= 0x7f && code < 0xa0); }

// Line and paragraph separators, and what turns the direction of the text around.
bool ReordersLines(uint32_t code) {
  return (code >= 0x2028 && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069);
}

std::string Escape(uint32_t code) {
  if (code == '\n') return "\\n";
  if (code == '\t') return "\\t";
  return code < 0x100 ? fmt::format("\\x{:02x}", code) : fmt::format("\\u{:04x}", code);
}

}  // namespace

std::string Printable(std::string_view text, size_t max_bytes) {
  std::string out;
  while (!text.empty()) {
    const Character character = ReadCharacter(text);
    const size_t length = character.length == 0 ? 1 : character.length;
    const bool plain =
        character.length > 0 && !IsControl(character.code) && !ReordersLines(character.code);
    const std::string shown = plain ? std::string(text.substr(0, length)) : Escape(character.code);
    if (out.size() + shown.size() > max_bytes) return out + "...";
    out += shown;
    text.remove_prefix(length);
  }
  return out;
}

}  // namespace ixc

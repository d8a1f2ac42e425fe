#include "base/printable.h"

#include <fmt/core.h>

#include <cstdint>

#include "base/utf8.h"

namespace ixc {
namespace {

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
    const Utf8Sequence sequence = ReadUtf8(text);
    const bool whole = sequence.front == Utf8Front::kCharacter;
    const size_t length = whole ? static_cast<size_t>(sequence.length) : 1;
    const uint32_t code = whole ? sequence.code_point : static_cast<uint8_t>(text[0]);
    const bool plain = whole && !IsControl(code) && !ReordersLines(code);
    const std::string shown = plain ? std::string(text.substr(0, length)) : Escape(code);
    if (out.size() + shown.size() > max_bytes) return out + "...";
    out += shown;
    text.remove_prefix(length);
  }
  return out;
}

}  // namespace ixc

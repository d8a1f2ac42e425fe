#include "eval/clip_text.h"

#include <unicode/locid.h>
#include <unicode/normalizer2.h>
#include <unicode/uchar.h>
#include <unicode/unistr.h>

#include <algorithm>
#include <array>
#include <map>
#include <optional>

#include "base/error.h"
#include "base/utf8.h"

namespace ixc {
namespace {

constexpr char32_t kReplacement = 0xFFFD;

// Windows-1252 above ASCII and below Latin-1's own characters; what it leaves open stands for
// itself.
constexpr std::array<char32_t, 32> kWindows1252 = {
    0x20AC, 0x0081, 0x201A, 0x0192, 0x201E, 0x2026, 0x2020, 0x2021, 0x02C6, 0x2030, 0x0160,
    0x2039, 0x0152, 0x008D, 0x017D, 0x008F, 0x0090, 0x2018, 0x2019, 0x201C, 0x201D, 0x2022,
    0x2013, 0x2014, 0x02DC, 0x2122, 0x0161, 0x203A, 0x0153, 0x009D, 0x017E, 0x0178};

icu::UnicodeString ToIcu(const std::u32string& text) {
  static_assert(sizeof(UChar32) == sizeof(char32_t));
  icu::UnicodeString wide;
  for (char32_t c : text) wide.append(static_cast<UChar32>(c));
  return wide;
}

std::u32string FromIcu(const icu::UnicodeString& wide) {
  std::u32string text;
  for (int32_t i = 0; i < wide.length(); i = wide.moveIndex32(i, 1)) {
    text += static_cast<char32_t>(wide.char32At(i));
  }
  return text;
}

std::u32string Normalised(const std::u32string& text, bool compatibility) {
  UErrorCode code = U_ZERO_ERROR;
  const icu::Normalizer2* normalizer = compatibility ? icu::Normalizer2::getNFKCInstance(code)
                                                     : icu::Normalizer2::getNFCInstance(code);
  const icu::UnicodeString normal = normalizer->normalize(ToIcu(text), code);
  if (code > U_ZERO_ERROR)
    Fail("the Unicode library cannot normalise a text: {}", u_errorName(code));
  return FromIcu(normal);
}

// The line read again when its characters are bytes of Windows-1252 that make up UTF-8.
std::optional<std::u32string> ReadAgain(const std::u32string& line) {
  std::string bytes;
  bool beyond_ascii = false;
  for (char32_t c : line) {
    const auto found = std::find(kWindows1252.begin(), kWindows1252.end(), c);
    char32_t byte = c;
    if (found != kWindows1252.end())
      byte = 0x80 + static_cast<char32_t>(found - kWindows1252.begin());
    if (byte > 0xFF) return std::nullopt;
    beyond_ascii = beyond_ascii || byte >= 0x80;
    bytes += static_cast<char>(byte);
  }
  if (!beyond_ascii || !IsUtf8(bytes)) return std::nullopt;
  return ToUtf32(bytes);
}

std::u32string ReadLinesAgain(const std::u32string& text) {
  std::u32string result;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find(U'\n', begin), text.size() - 1) + 1;
    std::u32string line = text.substr(begin, end - begin);
    while (const auto again = ReadAgain(line)) line = *again;
    result += line;
    begin = end;
  }
  return result;
}

bool IsLigature(char32_t c) {
  return (c >= 0xFB00 && c <= 0xFB06) || c == 0x132 || c == 0x133 || c == 0x149 ||
         (c >= 0x1C4 && c <= 0x1CC) || (c >= 0x1F1 && c <= 0x1F3);
}

bool IsRemovedControl(char32_t c) {
  return (c < 0x20 && c != '\t' && c != '\n' && c != '\f') || c == 0x7F || c == 0xFEFF ||
         (c >= 0x206A && c <= 0x206F) || (c >= 0xFFF9 && c <= 0xFFFC);
}

// What one character becomes.
std::u32string Repaired(char32_t c) {
  if (c >= 0x80 && c < 0xA0) c = kWindows1252[c - 0x80];
  if (c == 0xFB05) return U"\u017Ft";  // the long s stays
  if (c == 0x149) return U"'n";
  if (IsLigature(c) || c == 0x3000 || (c >= 0xFF01 && c <= 0xFFEF)) {
    return Normalised(std::u32string(1, c), /*compatibility=*/true);
  }
  if (c == 0x2BC || (c >= 0x2018 && c <= 0x201B)) return U"'";
  if (c >= 0x201C && c <= 0x201F) return U"\"";
  if (c == '\r' || c == 0x2028 || c == 0x2029) return U"\n";
  if (IsRemovedControl(c)) return {};
  return std::u32string(1, c);
}

const std::map<std::string, char32_t, std::less<>>& Entities() {
  static const std::map<std::string, char32_t, std::less<>> kEntities = {
#define ENTITY(name, code_point) {name, code_point},
#include "eval/html_entities.inc"
#undef ENTITY
  };
  return kEntities;
}

// References that work without a semicolon, for the sake of old pages.
bool WorksOpen(const std::string& name, char32_t c) { return c < 0x100 && name != "apos"; }

std::u32string NumericCharacter(uint32_t number) {
  if (number == 0 || number > 0x10FFFF || (number >= 0xD800 && number <= 0xDFFF)) {
    return std::u32string(1, kReplacement);
  }
  if (number == '\r') return U"\r";
  if (number >= 0x80 && number < 0xA0) return std::u32string(1, kWindows1252[number - 0x80]);
  const bool is_none = (number < 0x20 && number != '\t' && number != '\n' && number != '\f') ||
                       number == 0x7F || (number >= 0xFDD0 && number <= 0xFDEF) ||
                       (number & 0xFFFE) == 0xFFFE;
  return is_none ? std::u32string() : std::u32string(1, static_cast<char32_t>(number));
}

struct Reference {
  std::u32string text;
  size_t length = 0;  // of what stands behind '&'; 0: no reference
};

int DigitOf(char32_t c, int base) {
  int digit = 99;
  if (c >= '0' && c <= '9') digit = static_cast<int>(c - '0');
  if (c >= 'a' && c <= 'f') digit = static_cast<int>(c - 'a') + 10;
  if (c >= 'A' && c <= 'F') digit = static_cast<int>(c - 'A') + 10;
  return digit < base ? digit : -1;
}

// `rest` begins behind "&#".
Reference NumericReference(std::u32string_view rest) {
  const bool hexadecimal = !rest.empty() && (rest[0] == 'x' || rest[0] == 'X');
  const int base = hexadecimal ? 16 : 10;
  const size_t begin = hexadecimal ? 1 : 0;
  size_t end = begin;
  uint64_t number = 0;
  while (end < rest.size() && DigitOf(rest[end], base) >= 0) {
    number = std::min<uint64_t>(
        number * static_cast<uint64_t>(base) + static_cast<uint64_t>(DigitOf(rest[end], base)),
        0x110000);
    ++end;
  }
  if (end == begin) return {};
  if (end < rest.size() && rest[end] == ';') ++end;
  return {NumericCharacter(static_cast<uint32_t>(number)), end + 1};
}

// `rest` begins behind "&".
Reference NamedReference(std::u32string_view rest) {
  std::string name;
  for (char32_t c : rest) {
    const bool is_name = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    if (!is_name || name.size() == 32) break;
    name += static_cast<char>(c);
  }
  const bool closed = name.size() < rest.size() && rest[name.size()] == ';';
  if (const auto found = Entities().find(name); closed && found != Entities().end()) {
    return {std::u32string(1, found->second), name.size() + 1};
  }
  for (; name.size() >= 2; name.pop_back()) {
    const auto found = Entities().find(name);
    if (found != Entities().end() && WorksOpen(name, found->second)) {
      return {std::u32string(1, found->second), name.size()};
    }
  }
  return {};
}

// Runs of white space to one blank, none at either end.
std::u32string CollapseSpace(const std::u32string& text) {
  std::u32string result;
  for (char32_t c : text) {
    if (u_isUWhiteSpace(static_cast<UChar32>(c)) == 0) {
      result += c;
    } else if (!result.empty() && result.back() != ' ') {
      result += ' ';
    }
  }
  if (!result.empty() && result.back() == ' ') result.pop_back();
  return result;
}

}  // namespace

std::u32string ToUtf32(std::string_view text) {
  std::u32string result;
  while (!text.empty()) {
    const Utf8Sequence sequence = ReadUtf8(text);
    if (sequence.front != Utf8Front::kCharacter) {
      result += kReplacement;
      text.remove_prefix(1);
      continue;
    }
    const auto lead = static_cast<unsigned char>(text[0]);
    char32_t c = sequence.length == 1 ? lead : lead & (0x7Fu >> sequence.length);
    for (int i = 1; i < sequence.length; ++i) {
      c = (c << 6) | (static_cast<unsigned char>(text[static_cast<size_t>(i)]) & 0x3Fu);
    }
    result += c;
    text.remove_prefix(static_cast<size_t>(sequence.length));
  }
  return result;
}

std::string ToUtf8(const std::u32string& text) {
  std::string bytes;
  ToIcu(text).toUTF8String(bytes);
  return bytes;
}

std::u32string UnescapeHtml(const std::u32string& text) {
  std::u32string result;
  for (size_t i = 0; i < text.size(); ++i) {
    Reference reference;
    if (text[i] == '&') {
      const std::u32string_view rest = std::u32string_view(text).substr(i + 1);
      reference =
          !rest.empty() && rest[0] == '#' ? NumericReference(rest.substr(1)) : NamedReference(rest);
    }
    if (reference.length == 0) {
      result += text[i];
    } else {
      result += reference.text;
      i += reference.length;
    }
  }
  return result;
}

std::u32string RepairText(const std::u32string& text) {
  // Text with a "<" may be HTML, where references belong.
  const bool may_be_html = text.find(U'<') != text.npos;
  std::u32string again = ReadLinesAgain(may_be_html ? text : UnescapeHtml(text));
  for (size_t place; (place = again.find(U"\r\n")) != again.npos;) again.erase(place, 1);
  std::u32string repaired;
  for (char32_t c : again) repaired += Repaired(c);
  return Normalised(repaired, /*compatibility=*/false);
}

std::u32string CleanClipText(std::string_view text) {
  const std::u32string clean = CollapseSpace(UnescapeHtml(UnescapeHtml(RepairText(ToUtf32(text)))));
  icu::UnicodeString lower = ToIcu(clean);
  lower.toLower(icu::Locale::getRoot());
  return FromIcu(lower);
}

}  // namespace ixc

// Text as OpenCLIP cleans it before it becomes tokens: character repair, HTML references, white
// space, lower case.
//
// The repair follows the defaults of the Python package ftfy (6.3): UTF-8 that was read as
// Windows-1252 is read again, C1 controls become the characters of Windows-1252, Latin ligatures
// are spelled out, full and half width forms become ordinary ones, curly quotes straight, control
// characters vanish, NFC. Of ftfy's detector of misread text only the plain case is here: a line
// that is valid UTF-8 as a whole when its characters are taken as bytes of Windows-1252.
//
// Named references are those of HTML 4; numeric ones all.
#pragma once

#include <string>
#include <string_view>

namespace ixc {

// Both take and return UTF-8; what is not UTF-8 becomes U+FFFD.
std::u32string CleanClipText(std::string_view text);

// The steps, for tests.
std::u32string RepairText(const std::u32string& text);
std::u32string UnescapeHtml(const std::u32string& text);

std::u32string ToUtf32(std::string_view text);
std::string ToUtf8(const std::u32string& text);

}  // namespace ixc

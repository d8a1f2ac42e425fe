// Texts that are read line by line.
#pragma once

#include <string_view>

namespace ixc {

// Takes the first line away from `text`, which is not empty, and returns it without its '\n'. A
// last line need not end in one.
inline std::string_view TakeLine(std::string_view& text) {
  const std::string_view line = text.substr(0, text.find('\n'));
  text.remove_prefix(line.size() == text.size() ? line.size() : line.size() + 1);
  return line;
}

inline bool IsBlank(std::string_view line) { return line.find_first_not_of(" \t\r") == line.npos; }

}  // namespace ixc

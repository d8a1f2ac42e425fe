// Text from files and clients as it may be shown on a terminal and in one line of a log.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "base/limits.h"

namespace ixc {

// Control characters (a terminal would obey them) become \n, \t or \x1b, code points that reorder a
// line become \u202e, bytes that are not UTF-8 become \xff; what is longer than max_bytes is cut
// between characters and ends in "...". Everything else stays as it is.
std::string Printable(std::string_view text, size_t max_bytes = kMaxMessageBytes);

}  // namespace ixc

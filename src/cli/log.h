// Messages to the user on stderr. The library itself prints nothing.
#pragma once

#include <string>
#include <string_view>

namespace ixc {

// "trace", "debug", "info", "warn", "error", "off"
void SetLogLevel(const std::string& level);

// One line each: what is no plain text in a message is escaped.
void LogInfo(std::string_view message);
void LogNotice(std::string_view message);   // shown where warnings are
void LogWarning(std::string_view message);  // "warning: …"
void LogError(std::string_view message);    // "error: …"

}  // namespace ixc

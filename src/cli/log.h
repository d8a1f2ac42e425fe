// Messages to the user on stderr. The library itself prints nothing.
#pragma once

#include <string>
#include <string_view>

namespace ixc {

// "trace", "debug", "info", "warn", "error", "off"
void SetLogLevel(const std::string& level);

void LogInfo(std::string_view message);
void LogWarning(std::string_view message);  // "warning: …"
void LogError(std::string_view message);    // "error: …"

}  // namespace ixc

// Throwing ixc::Error with a formatted message.
#pragma once

#include <fmt/core.h>

#include <string>

#include "ixc/error.h"

namespace ixc {

template <typename... Args>
[[noreturn]] void Fail(fmt::format_string<Args...> format, Args&&... args) {
  throw Error(fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace ixc

// The web page at /, which is part of the program.
#pragma once

#include <string>
#include <string_view>

#include "server/http.h"

namespace ixc {

HttpResponse WebPage();

// A policy that lets a page run the scripts that stand in it and nothing else, and talk to its own
// server only.
std::string ContentSecurityPolicy(std::string_view html);

}  // namespace ixc

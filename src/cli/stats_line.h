// One line about the cost of an answer.
#pragma once

#include <string>

#include "ixc/request.h"

namespace ixc {

std::string StatsLine(const Result& result);

}  // namespace ixc

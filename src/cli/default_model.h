// Where the small shipped models are.
#pragma once

#include <string>

namespace ixc {

// models/NAME in the source tree that this program was built from, else beside the installed
// program (../share/ixc/models). Throws when there is none.
std::string ShippedModel(const std::string& name);

// `dir` itself, or, when it is empty, the shipped VL model.
std::string ModelDirOrDefault(const std::string& dir);

}  // namespace ixc

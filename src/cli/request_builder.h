// From the command line's words to a request.
#pragma once

#include <string>
#include <vector>

#include "cli/options.h"

namespace ixc {

EngineOptions ToEngineOptions(const ModelOptions& options);

// Everything of the request but the pictures.
Request ToRequest(const PromptOptions& options, ImageMarks default_marks);

// Decodes a picture within the limits of the options, turned by EXIF data if asked for.
Image LoadPicture(const std::string& path, const PromptOptions& options);

}  // namespace ixc

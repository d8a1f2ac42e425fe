// Where the pictures of a request come from: data: URLs, and, if allowed, files of one directory
// and web servers of a list. Everything throws ApiError, whose messages name no path and no
// address.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "ixc/image.h"

namespace ixc {

struct PictureOptions {
  ImageLimits limits{.max_file_bytes = size_t{10} << 20};
  std::string media_root;                  // for file:// URLs; "": none are read
  std::vector<std::string> allowed_hosts;  // for http:// and https:// URLs
};

// Gets and decodes a picture; `param` names its place in the request. May take long.
Image LoadPicture(const std::string& url, const std::string& param, const PictureOptions& options);

}  // namespace ixc

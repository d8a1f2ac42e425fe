// Files below one directory, for whoever may name them: nothing outside of it and no links.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace ixc {

// `url_path` is percent-encoded and relative to `root`; slashes in front are dropped. Throws
// ApiError, the same one for what is not there and for what may not be read.
std::vector<std::byte> ReadMediaFile(const std::string& root, std::string_view url_path,
                                     size_t max_bytes);

}  // namespace ixc

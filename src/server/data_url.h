// Pictures that stand in their URL.
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

namespace ixc {

// The bytes of "data:image/png;base64,…". The media type is not believed: the decoder looks at the
// bytes. Throws ApiError.
std::vector<std::byte> ReadDataUrl(std::string_view url, size_t max_bytes);

}  // namespace ixc

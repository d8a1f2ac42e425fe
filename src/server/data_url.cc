#include "server/data_url.h"

#include <fmt/format.h>

#include "base/base64.h"
#include "server/api_error.h"

namespace ixc {
namespace {

[[noreturn]] void Refuse(const std::string& message, const char* code = "invalid_image_url") {
  throw ApiError(400, code, "", message);
}

}  // namespace

std::vector<std::byte> ReadDataUrl(std::string_view url, size_t max_bytes) {
  const size_t comma = url.find(',');
  if (!url.starts_with("data:") || comma == url.npos) {
    Refuse("a data: URL looks like data:image/png;base64,iVBORw0…");
  }
  const std::string_view type = url.substr(5, comma - 5);
  const std::string_view text = url.substr(comma + 1);
  if (!type.ends_with(";base64")) Refuse("the data: URL of a picture has to be in base64");
  if (!type.starts_with("image/") && !type.starts_with("application/octet-stream")) {
    Refuse("the data: URL is not of an image");
  }
  if (MaxBase64Bytes(text.size()) > max_bytes + 2) {
    Refuse(fmt::format("a picture of more than {} bytes", max_bytes), "image_too_large");
  }
  auto bytes = DecodeBase64(text);
  if (!bytes) Refuse("the data: URL of a picture is not valid base64");
  return *std::move(bytes);
}

}  // namespace ixc

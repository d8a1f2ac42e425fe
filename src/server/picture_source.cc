#include "server/picture_source.h"

#include <fmt/format.h>

#include "image/decode.h"
#include "server/api_error.h"
#include "server/data_url.h"
#include "server/media_root.h"
#include "server/url_fetcher.h"

namespace ixc {
namespace {

[[noreturn]] void Refuse(const std::string& message, const char* code = "invalid_image_url") {
  throw ApiError(400, code, "", message);
}

std::vector<std::byte> GetBytes(const std::string& url, const PictureOptions& options) {
  const size_t max_bytes = options.limits.max_file_bytes;
  if (url.starts_with("data:")) return ReadDataUrl(url, max_bytes);
  if (url.starts_with("file://")) {
    if (options.media_root.empty()) {
      Refuse("pictures of files are not allowed here; send a data: URL");
    }
    return ReadMediaFile(options.media_root, std::string_view(url).substr(7), max_bytes);
  }
  if (url.starts_with("http://") || url.starts_with("https://")) {
    if (options.allowed_hosts.empty()) {
      Refuse("pictures from other servers are not allowed here; send a data: URL");
    }
    return FetchUrl(url, options.allowed_hosts, {.max_bytes = max_bytes});
  }
  Refuse("a picture is a data: URL");
}

}  // namespace

Image LoadPicture(const std::string& url, const std::string& param, const PictureOptions& options) {
  try {
    return DecodeImage(GetBytes(url, options), "picture", options.limits);
  } catch (const ApiError& error) {
    throw ApiError(error.status(), error.code(), param, fmt::format("{}: {}", param, error.what()));
  } catch (const Error& error) {
    throw ApiError(400, "invalid_image", param, fmt::format("{}: {}", param, error.what()));
  }
}

}  // namespace ixc

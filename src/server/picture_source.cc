#include "server/picture_source.h"

#include <fmt/format.h>

#include "base/base64.h"
#include "image/decode.h"
#include "server/api_error.h"
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

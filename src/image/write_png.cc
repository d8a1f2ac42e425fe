#include "image/write_png.h"

#include <png.h>

#include <span>
#include <vector>

#include "base/atomic_file.h"
#include "base/error.h"

namespace ixc {

std::vector<std::byte> EncodePng(const Image& image, const std::string& name) {
  png_image description{};
  description.version = PNG_IMAGE_VERSION;
  description.width = static_cast<png_uint_32>(image.width);
  description.height = static_cast<png_uint_32>(image.height);
  description.format = PNG_FORMAT_RGB;
  png_alloc_size_t size = PNG_IMAGE_PNG_SIZE_MAX(description);  // becomes the real size
  std::vector<std::byte> encoded(size);
  if (png_image_write_to_memory(&description, encoded.data(), &size, 0, image.rgb.data(), 0,
                                nullptr) == 0) {
    Fail("{}: cannot encode a PNG of {} x {}: {}", name, image.width, image.height,
         description.message);
  }
  encoded.resize(size);
  return encoded;
}

void WritePng(const std::string& path, const Image& image) {
  WriteWholeFile(path, EncodePng(image, path));
}

}  // namespace ixc

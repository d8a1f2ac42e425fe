// PNG by libpng's low-level interface.
//
// libpng reports errors through a callback that must not return. It jumps back into Guarded(),
// whose frames hold no C++ objects, and the error becomes an exception from there.
#include <png.h>

#include <csetjmp>
#include <cstdio>
#include <cstring>
#include <vector>

#include "base/error.h"
#include "base/limits.h"
#include "image/codecs.h"

namespace ixc {

namespace {

class PngReader {
 public:
  explicit PngReader(const EncodedImage& source) : encoded_(source) {
    png_ = png_create_read_struct(PNG_LIBPNG_VER_STRING, this, OnError, OnWarning);
    if (png_ != nullptr) info_ = png_create_info_struct(png_);
    if (info_ == nullptr) {
      png_destroy_read_struct(&png_, &info_, nullptr);
      Fail("{}: libpng could not start (version {})", encoded_.name, PNG_LIBPNG_VER_STRING);
    }
    png_set_read_fn(png_, this, OnRead);
  }
  ~PngReader() { png_destroy_read_struct(&png_, &info_, nullptr); }
  PngReader(const PngReader&) = delete;
  PngReader& operator=(const PngReader&) = delete;

  Image Read() {
    Guarded([](PngReader& self) {
      png_set_user_limits(self.png_, PNG_UINT_31_MAX, PNG_UINT_31_MAX);  // NewImage() checks
      png_set_chunk_malloc_max(self.png_, kMaxPngChunkBytes);
      png_set_chunk_cache_max(self.png_, kMaxPngAncillaryChunks);
      png_read_info(self.png_, self.info_);
    });
    const png_uint_32 width = png_get_image_width(png_, info_);
    const png_uint_32 height = png_get_image_height(png_, info_);
    CheckImageSize(encoded_, "PNG", width, height);
    CheckHoldsPixels(uint64_t{png_get_rowbytes(png_, info_)} * height);
    Image image = NewImage(encoded_, "PNG", width, height);
    gray16_ = png_get_color_type(png_, info_) == PNG_COLOR_TYPE_GRAY &&
              png_get_bit_depth(png_, info_) == 16;
    Guarded([](PngReader& self) { self.AskForRgb(); });
    for (int y = 0; y < image.height; ++y) rows_.push_back(image.Row(y));
    Guarded([](PngReader& self) { png_read_image(self.png_, self.rows_.data()); });
    if (gray16_) {
      for (png_bytep row : rows_) ClipGray16InPlace(row, image.width);
    }
    return image;
  }

 private:
  // Runs one step; an error in it throws. `step` may hold no objects with destructors.
  void Guarded(void (*step)(PngReader&)) {
    if (setjmp(on_error_) == 0) {
      step(*this);
      return;
    }
    FailBroken(encoded_, "PNG", message_);
  }

  // Nothing is allocated for pixels that a file of this size cannot hold.
  void CheckHoldsPixels(uint64_t pixel_bytes) const {
    if (pixel_bytes / kMaxDeflateRatio > encoded_.size()) {
      FailBroken(encoded_, "PNG", "the file ends too early");
    }
  }

  // 8-bit RGB whatever the file has; 16-bit grey stays two bytes a pixel.
  void AskForRgb() {
    if (!gray16_) {
      png_set_strip_16(png_);                // keeps the high byte
      png_set_packing(png_);                 // one pixel a byte
      png_set_expand_gray_1_2_4_to_8(png_);  // spread over 0 … 255
      png_set_palette_to_rgb(png_);
      png_set_strip_alpha(png_);  // dropped, not blended; tRNS too
      png_set_gray_to_rgb(png_);
    }
    png_set_interlace_handling(png_);
    png_read_update_info(png_, info_);
    const size_t wanted = size_t{png_get_image_width(png_, info_)} * (gray16_ ? 2 : 3);
    if (png_get_rowbytes(png_, info_) != wanted) png_error(png_, "unexpected pixel layout");
  }

  // Pillow 12.3 does not scale 16-bit grey but clips it at 255. The 2 w bytes of the row stand at
  // the start of its 3 w bytes; going backwards never overwrites what is still to be read.
  static void ClipGray16InPlace(uint8_t* row, int width) {
    for (size_t x = static_cast<size_t>(width); x-- > 0;) {
      const uint8_t value = row[2 * x] != 0 ? 255 : row[2 * x + 1];
      std::memset(row + 3 * x, value, 3);
    }
  }

  [[noreturn]] static void OnError(png_structp png, png_const_charp message) {
    auto& self = *static_cast<PngReader*>(png_get_error_ptr(png));
    std::snprintf(self.message_, sizeof self.message_, "%s", message);
    std::longjmp(self.on_error_, 1);
  }
  static void OnWarning(png_structp, png_const_charp) {}

  static void OnRead(png_structp png, png_bytep out, size_t count) {
    auto& self = *static_cast<PngReader*>(png_get_io_ptr(png));
    if (count > self.encoded_.size() - self.position_) png_error(png, "the file ends too early");
    std::memcpy(out, self.encoded_.data() + self.position_, count);
    self.position_ += count;
  }

  const EncodedImage& encoded_;
  size_t position_ = 0;
  png_structp png_ = nullptr;
  png_infop info_ = nullptr;
  bool gray16_ = false;
  std::vector<png_bytep> rows_;
  std::jmp_buf on_error_;
  char message_[128] = {};
};

}  // namespace

Image DecodePng(const EncodedImage& source) { return PngReader(source).Read(); }

}  // namespace ixc

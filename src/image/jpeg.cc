// JPEG by libjpeg-turbo with its default arithmetic (accurate integer IDCT, smooth chroma
// upsampling), which is also Pillow's.
//
// libjpeg reports errors through a callback that must not return. It jumps back into Guarded(),
// whose frames hold no C++ objects, and the error becomes an exception from there.
#include <algorithm>
#include <csetjmp>
#include <cstdio>
#include <vector>
// jpeglib.h needs <cstdio> before it.
#include <jpeglib.h>

#include "base/error.h"
#include "base/limits.h"
#include "image/codecs.h"

namespace ixc {

namespace {

// How many scans a picture of this many pixels may have.
int64_t MaxScans(int64_t pixels) {
  return std::clamp(kMaxJpegScanPixels / std::max<int64_t>(pixels, 1), kMinJpegScans,
                    kMaxJpegScans);
}

class JpegReader {
 public:
  explicit JpegReader(const EncodedImage& source) : encoded_(source) {
    info_.err = jpeg_std_error(&errors_);
    errors_.error_exit = OnError;
    errors_.emit_message = [](j_common_ptr, int) {};  // warnings: a picture with flaws, as Pillow
    info_.client_data = this;
    Guarded([](JpegReader& self) { jpeg_create_decompress(&self.info_); });
    input_.init_source = [](j_decompress_ptr) {};
    input_.fill_input_buffer = OnInputEnd;
    input_.skip_input_data = Skip;
    input_.resync_to_restart = jpeg_resync_to_restart;
    input_.term_source = [](j_decompress_ptr) {};
    input_.next_input_byte = encoded_.data();
    input_.bytes_in_buffer = encoded_.size();
    info_.src = &input_;
    progress_.progress_monitor = OnProgress;
    info_.progress = &progress_;
  }
  ~JpegReader() { jpeg_destroy_decompress(&info_); }
  JpegReader(const JpegReader&) = delete;
  JpegReader& operator=(const JpegReader&) = delete;

  Image Read() {
    Guarded([](JpegReader& self) { jpeg_read_header(&self.info_, TRUE); });
    const int channels = info_.num_components;
    if (channels != 1 && channels != 3 && channels != 4) {
      Fail("{}: JPEG with {} components; 1 (grey), 3 (colour) and 4 (CMYK) are read", encoded_.name,
           channels);
    }
    Image image = NewImageByRows(encoded_, "JPEG", info_.image_width, info_.image_height);
    info_.out_color_space = channels == 4 ? JCS_CMYK : JCS_RGB;
    Guarded([](JpegReader& self) { jpeg_start_decompress(&self.info_); });
    std::vector<uint8_t> cmyk(channels == 4 ? size_t{4} * info_.image_width : 0);
    for (int y = 0; y < image.height; ++y) {
      uint8_t* rgb = AppendRow(image);
      row_ = channels == 4 ? cmyk.data() : rgb;
      Guarded([](JpegReader& self) { jpeg_read_scanlines(&self.info_, &self.row_, 1); });
      if (channels == 4) InvertedCmykToRgb(cmyk, rgb);
    }
    return image;
  }

 private:
  static JpegReader& Self(j_common_ptr info) {
    return *static_cast<JpegReader*>(info->client_data);
  }

  // Runs one step; an error in it throws. `step` may hold no objects with destructors.
  void Guarded(void (*step)(JpegReader&)) {
    if (setjmp(on_error_) == 0) {
      step(*this);
      return;
    }
    FailBroken(encoded_, "JPEG", message_);
  }

  static void OnError(j_common_ptr info) {
    JpegReader& self = Self(info);
    info->err->format_message(info, self.message_);
    std::longjmp(self.on_error_, 1);
  }

  [[noreturn]] static void JumpOut(j_common_ptr info, const char* message) {
    JpegReader& self = Self(info);
    std::snprintf(self.message_, sizeof self.message_, "%s", message);
    std::longjmp(self.on_error_, 1);
  }

  static boolean OnInputEnd(j_decompress_ptr info) {
    JumpOut(reinterpret_cast<j_common_ptr>(info), "the file ends too early");
  }

  static void Skip(j_decompress_ptr info, long count) {
    if (count <= 0) return;
    jpeg_source_mgr& input = *info->src;
    if (static_cast<size_t>(count) > input.bytes_in_buffer) OnInputEnd(info);
    input.next_input_byte += count;
    input.bytes_in_buffer -= static_cast<size_t>(count);
  }

  static void OnProgress(j_common_ptr info) {
    const auto* picture = reinterpret_cast<j_decompress_ptr>(info);
    const int64_t limit = MaxScans(int64_t{picture->image_width} * picture->image_height);
    if (picture->input_scan_number > limit) {
      char message[64];
      std::snprintf(message, sizeof message, "it has more than %d scans", static_cast<int>(limit));
      JumpOut(info, message);
    }
  }

  // Pillow takes every CMYK file as inverted (Adobe's habit) and computes
  //   channel = clip((255 - k) - c (255 - k) / 255), rounded,
  // with c and k the values after inversion.
  static void InvertedCmykToRgb(const std::vector<uint8_t>& cmyk, uint8_t* rgb) {
    for (size_t i = 0; i < cmyk.size(); i += 4) {
      const int white = cmyk[i + 3];
      for (size_t c = 0; c < 3; ++c) {
        const int product = (255 - cmyk[i + c]) * white + 128;
        *rgb++ = static_cast<uint8_t>(white - (((product >> 8) + product) >> 8));
      }
    }
  }

  const EncodedImage& encoded_;
  jpeg_decompress_struct info_{};
  jpeg_error_mgr errors_{};
  jpeg_source_mgr input_{};
  jpeg_progress_mgr progress_{};
  JSAMPROW row_ = nullptr;
  std::jmp_buf on_error_;
  char message_[JMSG_LENGTH_MAX] = {};
};

}  // namespace

Image DecodeJpeg(const EncodedImage& source) { return JpegReader(source).Read(); }

}  // namespace ixc

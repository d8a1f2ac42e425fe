// WebP by libwebp; of an animation, its first frame.
#include <webp/decode.h>
#include <webp/demux.h>

#include <memory>

#include "base/error.h"
#include "image/codecs.h"

namespace ixc {

Image DecodeWebp(const EncodedImage& source) {
  const WebPData data = {source.data(), source.size()};
  const std::unique_ptr<WebPDemuxer, void (*)(WebPDemuxer*)> demuxer(WebPDemux(&data),
                                                                     WebPDemuxDelete);
  if (demuxer == nullptr) FailBroken(source, "WebP", "no complete picture in it");
  Image image = NewImage(source, "WebP", WebPDemuxGetI(demuxer.get(), WEBP_FF_CANVAS_WIDTH),
                         WebPDemuxGetI(demuxer.get(), WEBP_FF_CANVAS_HEIGHT));
  WebPIterator frame;
  if (WebPDemuxGetFrame(demuxer.get(), 1, &frame) == 0) {
    FailBroken(source, "WebP", "it has no frame");
  }
  const std::unique_ptr<WebPIterator, void (*)(WebPIterator*)> release(&frame,
                                                                       WebPDemuxReleaseIterator);
  // A frame smaller than the canvas stands on black. libwebp checks that frames fit their canvas;
  // this does not depend on it.
  const int64_t right = int64_t{frame.x_offset} + frame.width;
  const int64_t bottom = int64_t{frame.y_offset} + frame.height;
  int width = 0;
  int height = 0;
  if (WebPGetInfo(frame.fragment.bytes, frame.fragment.size, &width, &height) == 0 ||
      width != frame.width || height != frame.height || right > image.width ||
      bottom > image.height || frame.x_offset < 0 || frame.y_offset < 0) {
    FailBroken(source, "WebP", "the frame does not fit the picture");
  }
  const size_t begin =
      static_cast<size_t>(frame.y_offset) * image.RowBytes() + size_t{3} * frame.x_offset;
  if (WebPDecodeRGBInto(frame.fragment.bytes, frame.fragment.size, image.rgb.data() + begin,
                        image.rgb.size() - begin, static_cast<int>(image.RowBytes())) == nullptr) {
    FailBroken(source, "WebP", "the pixel data is damaged or incomplete");
  }
  return image;
}

}  // namespace ixc

// The first frame of a GIF, by giflib.
//
// As Pillow: a transparent pixel has its palette colour; what the frame leaves of the screen is
// filled with the transparent index if there is one, else with index 0 (not with the background
// index); a frame beyond the screen makes the picture larger; without any palette the indices are
// grey levels.
#include <gif_lib.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <vector>

#include "base/error.h"
#include "image/codecs.h"

namespace ixc {

namespace {

struct Cursor {
  std::span<const std::byte> bytes;
  size_t position = 0;
};

int ReadBytes(GifFileType* gif, GifByteType* out, int count) {
  auto& cursor = *static_cast<Cursor*>(gif->UserData);
  const size_t left = cursor.bytes.size() - cursor.position;
  const size_t taken = std::min(left, static_cast<size_t>(std::max(count, 0)));
  std::memcpy(out, cursor.bytes.data() + cursor.position, taken);
  cursor.position += taken;
  return static_cast<int>(taken);
}

void Close(GifFileType* gif) { DGifCloseFile(gif, nullptr); }

[[noreturn]] void FailGif(const EncodedImage& source, int error) {
  const char* message = GifErrorString(error);
  FailBroken(source, "GIF", message != nullptr ? message : "damaged data");
}

// Goes to the first image descriptor. Returns the transparent index of the graphic control blocks
// on the way, or 0.
int SeekFirstFrame(GifFileType* gif, const EncodedImage& source) {
  int fill = 0;
  for (;;) {
    GifRecordType type = UNDEFINED_RECORD_TYPE;
    if (DGifGetRecordType(gif, &type) != GIF_OK) FailGif(source, gif->Error);
    if (type == IMAGE_DESC_RECORD_TYPE) break;
    if (type != EXTENSION_RECORD_TYPE) FailBroken(source, "GIF", "there is no picture in it");
    int code = 0;
    GifByteType* block = nullptr;  // its length, then its bytes
    if (DGifGetExtension(gif, &code, &block) != GIF_OK) FailGif(source, gif->Error);
    GraphicsControlBlock control;
    if (code == GRAPHICS_EXT_FUNC_CODE && block != nullptr &&
        DGifExtensionToGCB(block[0], block + 1, &control) == GIF_OK &&
        control.TransparentColor != NO_TRANSPARENT_COLOR) {
      fill = control.TransparentColor;
    }
    while (block != nullptr) {
      if (DGifGetExtensionNext(gif, &block) != GIF_OK) FailGif(source, gif->Error);
    }
  }
  if (DGifGetImageDesc(gif) != GIF_OK) FailGif(source, gif->Error);
  return fill;
}

Palette FramePalette(const GifFileType* gif) {
  const ColorMapObject* map = gif->Image.ColorMap != nullptr ? gif->Image.ColorMap : gif->SColorMap;
  Palette palette{};
  for (size_t i = 0; i < palette.size(); ++i) {
    if (map == nullptr) {
      palette[i].fill(static_cast<uint8_t>(i));
    } else if (i < static_cast<size_t>(map->ColorCount)) {
      palette[i] = {map->Colors[i].Red, map->Colors[i].Green, map->Colors[i].Blue};
    }
  }
  return palette;
}

void ExpandRow(std::span<const GifByteType> indices, const Palette& palette, uint8_t* rgb) {
  for (const GifByteType index : indices) rgb = std::copy_n(palette[index].data(), 3, rgb);
}

// All rows of the frame in the order of the file. Memory is taken row by row, so that a file that
// states a large size and then ends costs nothing.
std::vector<GifByteType> ReadIndices(GifFileType* gif, const EncodedImage& source) {
  const auto width = static_cast<size_t>(gif->Image.Width);
  std::vector<GifByteType> indices;
  indices.reserve(width * static_cast<size_t>(gif->Image.Height));
  for (int row = 0; row < gif->Image.Height; ++row) {
    indices.resize(indices.size() + width);
    GifByteType* end = indices.data() + indices.size();
    if (DGifGetLine(gif, end - width, gif->Image.Width) != GIF_OK) FailGif(source, gif->Error);
  }
  return indices;
}

}  // namespace

Image DecodeGif(const EncodedImage& source) {
  Cursor cursor{source.bytes};
  int error = 0;
  const std::unique_ptr<GifFileType, void (*)(GifFileType*)> gif(
      DGifOpen(&cursor, ReadBytes, &error), Close);
  if (gif == nullptr) FailGif(source, error);
  const int fill = SeekFirstFrame(gif.get(), source);
  const GifImageDesc& frame = gif->Image;
  if (frame.Left < 0 || frame.Top < 0 || frame.Width < 1 || frame.Height < 1) {
    FailBroken(source, "GIF", "the frame has no size");
  }
  const int64_t width = std::max<int64_t>(gif->SWidth, int64_t{frame.Left} + frame.Width);
  const int64_t height = std::max<int64_t>(gif->SHeight, int64_t{frame.Top} + frame.Height);
  CheckImageSize(source, "GIF", width, height);
  const std::vector<GifByteType> indices = ReadIndices(gif.get(), source);
  Image image = NewImage(source, "GIF", width, height);
  const Palette palette = FramePalette(gif.get());
  const std::vector<GifByteType> blank(static_cast<size_t>(image.width),
                                       static_cast<GifByteType>(fill));
  for (int y = 0; y < image.height; ++y) ExpandRow(blank, palette, image.Row(y));

  // Interlaced rows come in four passes: every 8th from 0, every 8th from 4, every 4th from 2, …
  constexpr int kFirst[] = {0, 4, 2, 1};
  constexpr int kStep[] = {8, 8, 4, 2};
  const auto frame_width = static_cast<size_t>(frame.Width);
  std::span<const GifByteType> rest(indices);
  for (int pass = 0; pass < (frame.Interlace ? 4 : 1); ++pass) {
    const int step = frame.Interlace ? kStep[pass] : 1;
    for (int y = frame.Interlace ? kFirst[pass] : 0; y < frame.Height; y += step) {
      ExpandRow(rest.first(frame_width), palette,
                image.Row(frame.Top + y) + size_t{3} * frame.Left);
      rest = rest.subspan(frame_width);
    }
  }
  return image;
}

}  // namespace ixc

// How much a file may ask for, in one place. Every parser of untrusted bytes takes its limits from
// here and refuses what is beyond them before it allocates; docs/security.md says which threat each
// one meets. All are far above the files of the real models and small enough that a hostile file of
// any size costs less than a second and 100 MB.
//
// Not here: the limits of pictures, which the caller sets (ImageLimits in ixc/image.h), and the
// ranges of single fields, which stand where the field is read.
#pragma once

#include <cstddef>
#include <cstdint>

namespace ixc {

// JSON: configs, indexes, safetensors headers, histories, batch lines. The index of a 7B model has
// 700 values, the header of its largest shard 3,000.
inline constexpr size_t kMaxJsonBytes = size_t{8} << 20;
inline constexpr size_t kMaxJsonDepth = 64;  // of nested arrays and objects
inline constexpr size_t kMaxJsonValues = 500'000;

inline constexpr size_t kMaxTensorRank = 16;

// torch .bin files: entries of the archive; bytes of its pickle, and what the pickle may push on
// its stack, keep in its memo or mark. A 7B model in one file has 700 entries and a pickle of 150
// KB that pushes 20,000 values.
inline constexpr uint64_t kMaxZipEntries = 100'000;
inline constexpr size_t kMaxPickleBytes = size_t{16} << 20;
inline constexpr size_t kMaxPickleValues = 500'000;

// tokenizer.model: InternLM2's has 92,544 pieces in 1.5 MB, the longest of 384 bytes.
inline constexpr size_t kMaxTokenizerBytes = size_t{16} << 20;
inline constexpr size_t kMaxPieces = size_t{1} << 18;
inline constexpr size_t kMaxPieceBytes = 4096;
// libsentencepiece 0.1.97 finds the longest user-defined piece at a position in a list of 64 and
// reads past its end when more of them begin with one another.
inline constexpr size_t kMaxNestedUserPieces = 64;
// Of a text to tokenize, and of a line of JSON that holds one.
inline constexpr size_t kMaxTextBytes = size_t{4} << 20;

// Lists of questions and of earlier turns.
inline constexpr size_t kMaxBatchBytes = size_t{64} << 20;

// JPEG: each scan of a progressive file passes over the whole picture, however few bytes it has, so
// it is scans times pixels that a small hostile file would spend time with. Real files have about
// ten scans; 20 are always allowed, and up to 100 as long as the product stays below the second.
inline constexpr int64_t kMinJpegScans = 20;
inline constexpr int64_t kMaxJpegScans = 100;
inline constexpr int64_t kMaxJpegScanPixels = 200'000'000;

// PNG: text and profile chunks are of no use here; this bounds what unpacking them may take.
inline constexpr uint32_t kMaxPngChunkBytes = 8 << 20;
inline constexpr uint32_t kMaxPngAncillaryChunks = 1000;
// Deflate makes at most 1032 bytes of one (zlib's own figure).
inline constexpr uint64_t kMaxDeflateRatio = 1032;

// An error line, whatever names a file puts into it.
inline constexpr size_t kMaxMessageBytes = 2000;

}  // namespace ixc

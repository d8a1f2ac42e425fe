#include "quant/nibble_codec.h"

#include <cstring>

#include "base/checked.h"
#include "base/error.h"

namespace ixc {
namespace {

constexpr int kEscape = 0;
constexpr int kOffset = 8;

int CodeOf(int8_t value) { return value >= -7 && value <= 7 ? value + kOffset : kEscape; }

}  // namespace

NibbleCoded EncodeNibbles(int64_t n, int64_t k,
                          const std::function<void(int64_t row, std::span<int8_t> to)>& read) {
  NibbleCoded coded;
  const auto row_bytes = static_cast<size_t>((k + 1) / 2);
  coded.stream.reserve(static_cast<size_t>(n) * row_bytes);
  std::vector<std::byte> large;
  // One value more, so that the last byte of an odd row is whole.
  std::vector<int8_t> row(row_bytes * 2, 0);
  for (int64_t r = 0; r < n; ++r) {
    const uint64_t begin = large.size();
    for (int byte = 0; byte < 8; ++byte) {
      coded.index.push_back(static_cast<std::byte>(begin >> (8 * byte)));
    }
    read(r, std::span(row).first(static_cast<size_t>(k)));
    for (size_t i = 0; i < row.size(); i += 2) {
      const int low = CodeOf(row[i]), high = CodeOf(row[i + 1]);
      coded.stream.push_back(static_cast<std::byte>(low | high << 4));
      if (low == kEscape) large.push_back(static_cast<std::byte>(row[i]));
      if (high == kEscape) large.push_back(static_cast<std::byte>(row[i + 1]));
    }
  }
  coded.stream.insert(coded.stream.end(), large.begin(), large.end());
  return coded;
}

NibbleDecoder::NibbleDecoder(int64_t n, int64_t k, std::span<const std::byte> stream,
                             std::span<const std::byte> index, std::string where)
    : n_(n), k_(k), index_(index), where_(std::move(where)) {
  if (n < 1 || k < 1) Fail("{}: compressed weights of shape [{}, {}]", where_, n, k);
  row_bytes_ = (static_cast<size_t>(k) + 1) / 2;
  const uint64_t nibble_bytes = CheckedMul(static_cast<uint64_t>(n), row_bytes_, "nibbles");
  if (stream.size() < nibble_bytes ||
      index.size() != CheckedMul(static_cast<uint64_t>(n), 8, "index")) {
    Fail(
        "{}: compressed weights of shape [{}, {}] want at least {} bytes and an index of {}, found "
        "{} and {}",
        where_, n, k, nibble_bytes, n * 8, stream.size(), index.size());
  }
  nibbles_ = stream.first(nibble_bytes);
  large_ = stream.subspan(nibble_bytes);
  for (int64_t row = 0; row < n; ++row) {
    if (Begin(row) > Begin(row + 1) || (row == 0 && Begin(0) != 0)) {
      Fail("{}: the index of the compressed weights is broken at row {}", where_, row);
    }
  }
}

uint64_t NibbleDecoder::Begin(int64_t row) const {
  if (row == n_) return large_.size();
  uint64_t begin = 0;
  for (int byte = 7; byte >= 0; --byte) {
    begin = begin << 8 | static_cast<uint64_t>(index_[static_cast<size_t>(row * 8 + byte)]);
  }
  return begin;
}

void NibbleDecoder::ReadRow(int64_t row, std::span<int8_t> to) const {
  const std::byte* from = nibbles_.data() + static_cast<size_t>(row) * row_bytes_;
  uint64_t at = Begin(row);
  const uint64_t end = Begin(row + 1);
  for (size_t i = 0; i < static_cast<size_t>(k_); ++i) {
    const int byte = static_cast<int>(from[i / 2]);
    const int code = i % 2 == 0 ? byte & 15 : byte >> 4;
    if (code != kEscape) {
      to[i] = static_cast<int8_t>(code - kOffset);
      continue;
    }
    if (at == end) Fail("{}: row {} has more large values than its index says", where_, row);
    to[i] = static_cast<int8_t>(large_[at++]);
  }
  if (at != end) Fail("{}: row {} has fewer large values than its index says", where_, row);
}

}  // namespace ixc

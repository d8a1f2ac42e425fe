#include "text/piece_trie.h"

#include <algorithm>

namespace ixc {
namespace {

std::string BytesOf(const Tokenizer& tokenizer, int32_t id, std::string_view excluded) {
  const TokenText text = tokenizer.Text(id);
  if (text.kind == TokenText::Kind::kByte) return {static_cast<char>(text.byte)};
  if (text.kind == TokenText::Kind::kSpecial || tokenizer.IsControlString(id)) return {};
  return text.text.find(excluded) != text.text.npos ? std::string() : std::string(text.text);
}

size_t CommonBytes(std::string_view a, std::string_view b) {
  const auto [end, ignored] = std::ranges::mismatch(a, b);
  return static_cast<size_t>(end - a.begin());
}

}  // namespace

PieceTrie::PieceTrie(const Tokenizer& tokenizer, std::string_view excluded) {
  for (int32_t id = 0; id < tokenizer.vocab_size(); ++id) {
    bytes_.push_back(BytesOf(tokenizer, id, excluded));
    if (!bytes_.back().empty()) ids_.push_back(id);
  }
  // Sorted, each piece shares its beginning with the one before as far as any does.
  const auto bytes_of = [this](int32_t id) -> const std::string& { return Bytes(id); };
  std::ranges::stable_sort(ids_, {}, bytes_of);
  std::vector<size_t> open;  // nodes on the way to the piece before
  std::string_view before;
  const auto close_to = [&](size_t depth) {
    for (; open.size() > depth; open.pop_back()) {
      nodes_[open.back()].end = static_cast<int32_t>(nodes_.size());
    }
  };
  for (size_t i = 0; i < ids_.size(); ++i) {
    const std::string_view bytes = Bytes(ids_[i]);
    close_to(CommonBytes(before, bytes));
    while (open.size() < bytes.size()) {
      const auto byte = static_cast<uint8_t>(bytes[open.size()]);
      open.push_back(nodes_.size());
      nodes_.push_back({byte, static_cast<uint16_t>(open.size()), 0, static_cast<int32_t>(i)});
    }
    before = bytes;
  }
  close_to(0);
  nodes_.push_back({0, 0, 0, static_cast<int32_t>(ids_.size())});
  for (int byte = 0; byte < 256; ++byte) {
    const char text = static_cast<char>(byte);
    const auto [begin, end] = Find({&text, 1});
    if (begin == end || Ids(begin, begin + 1).empty()) has_all_bytes_ = false;
  }
}

std::pair<size_t, size_t> PieceTrie::Find(std::string_view bytes) const {
  size_t at = 0;
  size_t end = nodes_.size() - 1;
  for (size_t depth = 0; depth < bytes.size(); ++depth) {
    const auto byte = static_cast<uint8_t>(bytes[depth]);
    while (at < end && nodes_[at].byte != byte) at = static_cast<size_t>(nodes_[at].end);
    if (at >= end) return {0, 0};
    end = static_cast<size_t>(nodes_[at].end);
    if (depth + 1 < bytes.size()) ++at;
  }
  return {at, end};
}

}  // namespace ixc

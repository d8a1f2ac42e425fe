// The pieces of a vocabulary by their bytes: which of them may come next is found by walking over
// common beginnings once instead of over every piece.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "text/tokenizer.h"

namespace ixc {

class PieceTrie {
 public:
  // A node stands for the bytes on the way to it. Nodes are in pre-order: the first child follows
  // its parent, and what is below node i ends before nodes()[i].end.
  struct Node {
    uint8_t byte;
    uint16_t depth;  // bytes on the way, 1 for the children of the root
    int32_t end;
    int32_t first_id;  // of ids(); the node's own ones go up to the next node's
  };

  // Pieces that are text: no special, control or empty ones. Those that contain `excluded` are left
  // out too.
  PieceTrie(const Tokenizer& tokenizer, std::string_view excluded);

  std::span<const Node> nodes() const { return {nodes_.data(), nodes_.size() - 1}; }
  // Ids of the pieces that end at nodes [begin, end).
  std::span<const int32_t> Ids(size_t begin, size_t end) const {
    const auto first = static_cast<size_t>(nodes_[begin].first_id);
    return std::span(ids_).subspan(first, static_cast<size_t>(nodes_[end].first_id) - first);
  }
  // The nodes of pieces that begin with `bytes`, as [begin, end); empty when there are none.
  std::pair<size_t, size_t> Find(std::string_view bytes) const;
  // "" for pieces that are not in the trie.
  const std::string& Bytes(int32_t id) const { return bytes_[static_cast<size_t>(id)]; }
  int32_t vocab_size() const { return static_cast<int32_t>(bytes_.size()); }
  // There is a piece for each of the bytes that JSON is made of, so that no text gets stuck.
  bool has_all_bytes() const { return has_all_bytes_; }

 private:
  std::vector<Node> nodes_;  // and one behind the last
  std::vector<int32_t> ids_;
  std::vector<std::string> bytes_;  // of every id
  bool has_all_bytes_ = true;
};

}  // namespace ixc

// Blocks of keys and values that were computed before, found by what stands at their positions.
//
// A node is one full block behind its parent's: the way from the root spells the beginning of a
// prompt in steps of kKeyBlock positions. A step is looked up by hash and compared key by key, so
// two texts are never taken for each other. Pictures are compared by their 128-bit identity
// (prefix_key.h): among a billion pictures two that differ share one with probability below 2e-21.
// That hash does not withstand somebody who looks for collisions, who could only confuse
// requests of his own name space.
//
// The last block of a text is seldom full. It is kept, too, as a node that never has children, and
// like every block it can be copied by a text that begins as it does and goes on otherwise.
//
// Whoever holds the block of a node must hold those of its ancestors too. Then blocks that only the
// tree holds can all be given back, least recently used first, children before their parents.
#pragma once

#include <array>
#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <unordered_map>

#include "cache/block_pool.h"
#include "cache/prefix_key.h"
#include "kernels/attention/attention.h"

namespace ixc {

class PrefixTree {
 public:
  class Node;
  using BlockKeys = std::span<const PositionKey, kKeyBlock>;

  // Becomes the pool's evictor. The pool must outlive the tree.
  explicit PrefixTree(BlockPool& pool);
  ~PrefixTree();

  // The beginning of all prompts of a name space; stays valid. There is one for every name used.
  Node* Root(const std::string& space);
  // The block that follows `parent` with these keys; null when it is not known. A node stays valid
  // while somebody else than the tree holds its block. Counts as a use.
  Node* Find(Node* parent, BlockKeys keys);
  // Keeps `block` behind `parent`. If there is such a block already, that one stays and replaces
  // `block`, which has the same contents.
  Node* Insert(Node* parent, BlockKeys keys, BlockRef& block);

  // Keeps a block that is not full, whose first positions have `keys` (1 to kKeyBlock - 1), unless
  // they are known. Nobody may write to it any more.
  void InsertPartial(Node* parent, std::span<const PositionKey> keys, BlockRef block);
  // What is known of the positions behind `parent`: a block, full or not, to be copied from, whose
  // first `count` positions have the first `count` keys. None: 0. Looks at all that follows parent.
  struct Beginning {
    BlockRef block;
    int64_t count = 0;
  };
  Beginning FindBeginning(Node* parent, std::span<const PositionKey> keys);

  static const BlockRef& BlockOf(const Node* node);
  int64_t num_blocks() const { return static_cast<int64_t>(by_use_.size()); }

 private:
  void Touch(Node* node);
  bool EvictOne();

  BlockPool& pool_;
  std::map<std::string, std::unique_ptr<Node>> roots_;
  std::list<Node*> by_use_;  // last used first, parents before their children
};

}  // namespace ixc

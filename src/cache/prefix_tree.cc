#include "cache/prefix_tree.h"

#include <xxhash.h>

#include <algorithm>
#include <utility>

namespace ixc {

namespace {

using OwnedKeys = std::array<PositionKey, kKeyBlock>;
static_assert(sizeof(PositionKey) == 24, "hashed as bytes, so there may be no gaps");

struct HashKeys {
  size_t operator()(const OwnedKeys& keys) const { return XXH3_64bits(keys.data(), sizeof keys); }
};

OwnedKeys Owned(PrefixTree::BlockKeys keys) {
  OwnedKeys owned;
  std::copy(keys.begin(), keys.end(), owned.begin());
  return owned;
}

// Stands where a block has no position yet; no text has it.
constexpr PositionKey kNothing{{}, -1};

}  // namespace

class PrefixTree::Node {
 public:
  Node* parent = nullptr;  // null: a root, which has no block
  BlockRef block;
  std::unordered_map<OwnedKeys, std::unique_ptr<Node>, HashKeys> children;
  const OwnedKeys* keys = nullptr;  // in the parent's map
  std::list<Node*>::iterator use;
};

PrefixTree::PrefixTree(BlockPool& pool) : pool_(pool) {
  pool_.SetEvictor([this] { return EvictOne(); });
}

PrefixTree::~PrefixTree() {
  pool_.SetEvictor(nullptr);
  for (Node* node : by_use_) pool_.SetCached(node->block, false);
}

const BlockRef& PrefixTree::BlockOf(const Node* node) { return node->block; }

PrefixTree::Node* PrefixTree::Root(const std::string& space) {
  std::unique_ptr<Node>& root = roots_[space];
  if (root == nullptr) root = std::make_unique<Node>();
  return root.get();
}

PrefixTree::Node* PrefixTree::Find(Node* parent, BlockKeys keys) {
  const auto found = parent->children.find(Owned(keys));
  if (found == parent->children.end()) return nullptr;
  Touch(found->second.get());
  return found->second.get();
}

PrefixTree::Node* PrefixTree::Insert(Node* parent, BlockKeys keys, BlockRef& block) {
  if (Node* known = Find(parent, keys)) {
    block = known->block;
    return known;
  }
  auto owned = std::make_unique<Node>();
  Node* node = owned.get();
  const auto place = parent->children.emplace(Owned(keys), std::move(owned)).first;
  node->parent = parent;
  node->block = block;
  node->keys = &place->first;
  node->use = by_use_.insert(by_use_.begin(), node);
  pool_.SetCached(block, true);
  Touch(node);
  return node;
}

void PrefixTree::InsertPartial(Node* parent, std::span<const PositionKey> keys, BlockRef block) {
  const auto count = static_cast<int64_t>(keys.size());
  if (FindBeginning(parent, keys).count == count) return;
  OwnedKeys padded;
  padded.fill(kNothing);
  std::copy(keys.begin(), keys.end(), padded.begin());
  Insert(parent, padded, block);
}

PrefixTree::Beginning PrefixTree::FindBeginning(Node* parent, std::span<const PositionKey> keys) {
  Node* best = nullptr;
  int64_t count = 0;
  for (const auto& [child_keys, child] : parent->children) {
    const int64_t common = CommonPrefix(child_keys, keys);
    if (common <= count) continue;
    best = child.get();
    count = common;
  }
  if (best == nullptr) return {};
  Touch(best);
  return {best->block, count};
}

// From the leaf to the root, so that a parent always comes before its children.
void PrefixTree::Touch(Node* node) {
  for (; node->parent != nullptr; node = node->parent) {
    by_use_.splice(by_use_.begin(), by_use_, node->use);
  }
}

// A child of a block that only the tree holds is held by the tree only, too, and comes later in the
// list. So the last such block has no children.
bool PrefixTree::EvictOne() {
  const auto last = std::find_if(by_use_.rbegin(), by_use_.rend(),
                                 [](const Node* node) { return node->block.use_count() == 1; });
  if (last == by_use_.rend()) return false;
  Node* node = *last;
  by_use_.erase(node->use);
  node->parent->children.erase(OwnedKeys(*node->keys));
  return true;
}

}  // namespace ixc

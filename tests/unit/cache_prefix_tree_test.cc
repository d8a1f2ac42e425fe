#include <gtest/gtest.h>

#include <random>
#include <vector>

#include "base/error.h"
#include "cache/prefix_tree.h"

namespace ixc {
namespace {

using Node = PrefixTree::Node;

// The keys of a block of text that differs with `text`.
std::vector<PositionKey> Keys(int64_t text) {
  std::vector<PositionKey> keys(kKeyBlock);
  for (size_t i = 0; i < keys.size(); ++i) keys[i].value = text * 1000 + static_cast<int64_t>(i);
  return keys;
}

PrefixTree::BlockKeys Span(const std::vector<PositionKey>& keys) {
  return PrefixTree::BlockKeys(keys.data(), kKeyBlock);
}

// A request that holds the blocks of a text: some found, the others computed.
struct Holder {
  std::vector<BlockRef> blocks;
  int64_t found = 0;
};

Holder Read(BlockPool& pool, PrefixTree& tree, const std::string& space,
            const std::vector<int64_t>& text) {
  Holder holder;
  Node* node = tree.Root(space);
  bool is_known = true;
  for (int64_t part : text) {
    Node* const next = is_known ? tree.Find(node, Span(Keys(part))) : nullptr;
    is_known = next != nullptr;
    if (is_known) {
      holder.blocks.push_back(PrefixTree::BlockOf(next));
      ++holder.found;
      node = next;
    } else {
      holder.blocks.push_back(pool.Allocate());
      node = tree.Insert(node, Span(Keys(part)), holder.blocks.back());
    }
  }
  return holder;
}

TEST(PrefixTree, FindsTheLongestKnownBeginning) {
  BlockPool pool(64, 16);
  PrefixTree tree(pool);
  EXPECT_EQ(Read(pool, tree, "", {1, 2, 3}).found, 0);
  EXPECT_EQ(Read(pool, tree, "", {1, 2, 3}).found, 3);
  EXPECT_EQ(Read(pool, tree, "", {1, 2, 4}).found, 2);
  EXPECT_EQ(Read(pool, tree, "", {2, 3}).found, 0) << "not without what stands before";
  EXPECT_EQ(tree.num_blocks(), 6);
}

TEST(PrefixTree, BlocksThatAreNotFullAreKnownByTheirBeginning) {
  BlockPool pool(64, 16);
  PrefixTree tree(pool);
  const Holder text = Read(pool, tree, "", {1});
  Node* const one = tree.Find(tree.Root(""), Span(Keys(1)));
  const std::vector<PositionKey> keys = Keys(2);
  const std::span<const PositionKey> all(keys);
  EXPECT_EQ(tree.FindBeginning(one, all).count, 0);
  BlockRef part = pool.Allocate();
  tree.InsertPartial(one, all.first(20), part);
  EXPECT_EQ(tree.FindBeginning(one, all).count, 20);
  EXPECT_TRUE(tree.FindBeginning(one, all).block == part);
  EXPECT_EQ(tree.FindBeginning(one, all.first(7)).count, 7);
  EXPECT_EQ(tree.FindBeginning(tree.Root(""), all).count, 0) << "not behind another text";
  EXPECT_EQ(tree.Find(one, Span(keys)), nullptr) << "it is not that block";
  // What is known already is not kept twice.
  tree.InsertPartial(one, all.first(12), pool.Allocate());
  EXPECT_EQ(tree.num_blocks(), 2);
  // More of it, and a text that leaves it: the longest beginning counts.
  std::vector<PositionKey> other = keys;
  other[30].value = 7;
  BlockRef full = pool.Allocate();
  tree.Insert(one, Span(other), full);
  EXPECT_EQ(tree.FindBeginning(one, all).count, 30);
  EXPECT_TRUE(tree.FindBeginning(one, all).block == full);
}

TEST(PrefixTree, BlocksThatAreNotFullAreGivenBackLikeOthers) {
  BlockPool pool(64, 2);
  PrefixTree tree(pool);
  const std::vector<PositionKey> keys = Keys(1);
  tree.InsertPartial(tree.Root(""), std::span(keys).first(3), pool.Allocate());
  EXPECT_EQ(pool.num_idle(), 1);
  BlockRef one = pool.Allocate(), two = pool.Allocate();
  EXPECT_EQ(tree.num_blocks(), 0);
  EXPECT_EQ(tree.FindBeginning(tree.Root(""), keys).count, 0);
  EXPECT_EQ(pool.num_idle(), 0);
}

TEST(PrefixTree, NameSpacesShareNothing) {
  BlockPool pool(64, 16);
  PrefixTree tree(pool);
  Read(pool, tree, "one", {1, 2});
  EXPECT_EQ(Read(pool, tree, "two", {1, 2}).found, 0);
  EXPECT_EQ(Read(pool, tree, "one", {1, 2}).found, 2);
}

TEST(PrefixTree, OneKeyOfABlockIsEnoughToDiffer) {
  BlockPool pool(64, 16);
  PrefixTree tree(pool);
  std::vector<PositionKey> keys = Keys(1);
  BlockRef block = pool.Allocate();
  tree.Insert(tree.Root(""), Span(keys), block);
  for (size_t i : {0, 31, 63}) {
    std::vector<PositionKey> other = keys;
    other[i].picture.high = 1;
    EXPECT_EQ(tree.Find(tree.Root(""), Span(other)), nullptr);
  }
  EXPECT_NE(tree.Find(tree.Root(""), Span(keys)), nullptr);
}

TEST(PrefixTree, ASecondBlockWithTheSameKeysGivesWay) {
  BlockPool pool(64, 16);
  PrefixTree tree(pool);
  BlockRef first = pool.Allocate(), second = pool.Allocate();
  Node* const node = tree.Insert(tree.Root(""), Span(Keys(1)), first);
  EXPECT_EQ(tree.Insert(tree.Root(""), Span(Keys(1)), second), node);
  EXPECT_EQ(first, second);
  EXPECT_EQ(pool.num_used(), 1);
}

TEST(PrefixTree, TheLeastRecentlyUsedGoFirstAndLeavesBeforeTheirParents) {
  BlockPool pool(64, 6);
  PrefixTree tree(pool);
  Read(pool, tree, "", {1, 2, 3});
  Read(pool, tree, "", {7, 8, 9});
  Read(pool, tree, "", {1, 2});
  EXPECT_EQ(pool.num_free(), 0);
  EXPECT_EQ(pool.num_idle(), 6);
  Read(pool, tree, "", {20, 21});  // takes the place of 3 and 9
  EXPECT_EQ(Read(pool, tree, "", {1, 2}).found, 2);
  EXPECT_EQ(Read(pool, tree, "", {7, 8}).found, 2);
  EXPECT_EQ(tree.num_blocks(), 6);
}

TEST(PrefixTree, HeldBlocksStay) {
  BlockPool pool(64, 3);
  PrefixTree tree(pool);
  const Holder holder = Read(pool, tree, "", {1, 2});
  Read(pool, tree, "", {5});
  EXPECT_EQ(pool.num_idle(), 1);
  const BlockRef last = pool.Allocate();
  EXPECT_EQ(Read(pool, tree, "", {1, 2}).found, 2);
  EXPECT_THROW(pool.Allocate(), Error);
}

// Every idle block can be had, whatever came before: this is what admission counts on.
TEST(PrefixTree, AllIdleBlocksCanBeHad) {
  std::minstd_rand random(3);
  BlockPool pool(64, 40);
  PrefixTree tree(pool);
  std::vector<Holder> holders;
  for (int round = 0; round < 2000; ++round) {
    std::vector<int64_t> text(1 + random() % 6);
    for (int64_t& part : text) part = static_cast<int64_t>(random() % 3);
    if (holders.size() > 4) holders.erase(holders.begin() + random() % holders.size());
    holders.push_back(Read(pool, tree, random() % 4 == 0 ? "other" : "", text));
    ASSERT_LE(pool.num_idle(), tree.num_blocks());
    if (round % 100 != 99) continue;
    std::vector<BlockRef> all;
    for (int64_t left = pool.num_free() + pool.num_idle(); left > 0; --left) {
      all.push_back(pool.Allocate());
    }
    ASSERT_THROW(pool.Allocate(), Error);
  }
  holders.clear();
  EXPECT_EQ(pool.num_used(), pool.num_idle());
  EXPECT_EQ(pool.num_used(), tree.num_blocks());
}

}  // namespace
}  // namespace ixc

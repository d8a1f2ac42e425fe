#include <gtest/gtest.h>

#include "base/error.h"
#include "cache/block_pool.h"

namespace ixc {
namespace {

TEST(BlockPool, CountsAndUsesAgain) {
  BlockPool pool(256, 2);
  EXPECT_EQ(pool.num_free(), 2);
  BlockRef first = pool.Allocate();
  const BlockRef second = pool.Allocate();
  EXPECT_NE(first.data(), second.data());
  EXPECT_EQ(pool.num_used(), 2);
  EXPECT_THROW(pool.Allocate(), Error);
  std::byte* const memory = first.data();
  first = BlockRef();
  EXPECT_EQ(pool.num_free(), 1);
  EXPECT_EQ(pool.Allocate().data(), memory) << "memory that was given back comes first";
  EXPECT_EQ(pool.num_free(), 1);
}

TEST(BlockPool, TheLastShareGivesTheBlockBack) {
  BlockPool pool(64, 4);
  BlockRef one = pool.Allocate();
  {
    const BlockRef two = one;
    EXPECT_EQ(one.use_count(), 2);
    EXPECT_EQ(two, one);
    EXPECT_EQ(pool.num_used(), 1);
  }
  EXPECT_EQ(one.use_count(), 1);
  BlockRef moved = std::move(one);
  EXPECT_EQ(moved.use_count(), 1);
  moved = pool.Allocate();
  EXPECT_EQ(pool.num_used(), 1);
}

TEST(BlockPool, IdleAreThoseThatOnlyACacheHolds) {
  BlockPool pool(64, 4);
  BlockRef user = pool.Allocate();
  BlockRef cache = user;
  pool.SetCached(cache, true);
  EXPECT_EQ(pool.num_idle(), 0);
  user = BlockRef();
  EXPECT_EQ(pool.num_idle(), 1);
  EXPECT_EQ(pool.num_used(), 1);
  user = cache;
  EXPECT_EQ(pool.num_idle(), 0);
  cache = BlockRef();
  user = BlockRef();
  EXPECT_EQ(pool.num_idle(), 0);
  EXPECT_EQ(pool.num_used(), 0);
  // A block that is used again is nobody's cache any more.
  const BlockRef again = pool.Allocate();
  EXPECT_EQ(pool.num_idle(), 0);
}

TEST(BlockPool, AsksForABlockBackBeforeItFails) {
  BlockPool pool(64, 1);
  BlockRef kept = pool.Allocate();
  int asked = 0;
  pool.SetEvictor([&] {
    ++asked;
    const bool had_one = static_cast<bool>(kept);
    kept = BlockRef();
    return had_one;
  });
  const BlockRef block = pool.Allocate();
  EXPECT_EQ(asked, 1);
  EXPECT_THROW(pool.Allocate(), Error);
}

}  // namespace
}  // namespace ixc

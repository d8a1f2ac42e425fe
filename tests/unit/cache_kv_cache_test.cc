#include <gtest/gtest.h>

#include <cstring>

#include "cache/kv_cache.h"

namespace ixc {
namespace {

constexpr int kLayers = 2;
const KvShape kShape = {.num_kv_heads = 1, .head_dim = 8, .dtype = DType::kF32};

KvCache CacheOf(int64_t num_positions) {
  KvCache cache(kShape, kLayers);
  cache.Reserve(num_positions);
  cache.set_length(num_positions);
  return cache;
}

TEST(KvCache, TruncateForgetsPositionsAndKeepsTheRest) {
  KvCache cache = CacheOf(2 * kKeyBlock + 5);
  std::byte* const first = cache.Blocks(0)[0];
  cache.Truncate(kKeyBlock + 1);
  EXPECT_EQ(cache.length(), kKeyBlock + 1);
  EXPECT_EQ(cache.Blocks(0).size(), 2u);
  EXPECT_EQ(cache.Blocks(0)[0], first);
  cache.Reserve(3 * kKeyBlock);
  for (int layer = 0; layer < kLayers; ++layer) EXPECT_EQ(cache.Blocks(layer).size(), 3u);
}

TEST(KvCache, TruncateToNothing) {
  KvCache cache = CacheOf(kKeyBlock);
  cache.Truncate(0);
  EXPECT_EQ(cache.length(), 0);
  cache.Reserve(1);
  EXPECT_EQ(cache.Blocks(0).size(), 1u);
}

// A fork shares full blocks: cut into one of them, a sequence must not write over the other's past.
TEST(KvCache, WritingAfterTruncateLeavesAForkAlone) {
  KvCache cache = CacheOf(2 * kKeyBlock);
  std::memset(cache.Blocks(1)[0], 1, 16);
  const KvCache fork = cache.Fork();
  cache.Truncate(kKeyBlock / 2);
  EXPECT_EQ(cache.Blocks(1)[0][0], std::byte{1}) << "what is kept stays readable";
  std::memset(cache.Blocks(1)[0], 2, 16);
  EXPECT_EQ(fork.Blocks(1)[0][0], std::byte{1});
}

// The beginning of somebody's block: what follows it is written anew, and the block stays his.
TEST(KvCache, AdoptCopyTakesTheBeginningOfABlock) {
  KvCache owner = CacheOf(kKeyBlock);
  for (int layer = 0; layer < kLayers; ++layer) {
    std::memset(owner.Blocks(layer)[0], 3 + layer, kShape.BlockBytes());
  }
  KvCache cache = CacheOf(kKeyBlock);
  cache.AdoptCopy(owner.Block(0), 5);
  EXPECT_EQ(cache.length(), kKeyBlock + 5);
  for (int layer = 0; layer < kLayers; ++layer) {
    ASSERT_EQ(cache.Blocks(layer).size(), 2u);
    std::byte* const copy = cache.Blocks(layer)[1];
    EXPECT_EQ(std::memcmp(copy, owner.Blocks(layer)[0], kShape.BlockBytes()), 0);
    std::memset(copy, 9, kShape.BlockBytes());
    EXPECT_EQ(owner.Blocks(layer)[0][0], std::byte(3 + layer));
  }
  cache.Reserve(2 * kKeyBlock);
  EXPECT_EQ(cache.num_blocks(), 2) << "the copied block has room for the rest";
}

}  // namespace
}  // namespace ixc

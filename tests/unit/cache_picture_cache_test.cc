#include <gtest/gtest.h>

#include "cache/picture_cache.h"

namespace ixc {
namespace {

std::shared_ptr<const Matrix> Embeds(int64_t rows) { return std::make_shared<Matrix>(rows, 1); }

PictureKey Key(uint64_t number, const std::string& space = "") { return {space, {number, 7}}; }

TEST(PictureCache, KeepsWhatFitsAndForgetsTheLeastRecentlyUsed) {
  PictureCache cache(12 * sizeof(float));
  const auto first = Embeds(4);
  cache.Insert(Key(1), first);
  cache.Insert(Key(2), Embeds(4));
  cache.Insert(Key(3), Embeds(4));
  EXPECT_EQ(cache.Find(Key(1)), first);
  cache.Insert(Key(4), Embeds(5));
  EXPECT_EQ(cache.bytes(), 9 * sizeof(float));
  EXPECT_EQ(cache.Find(Key(2)), nullptr);
  EXPECT_EQ(cache.Find(Key(3)), nullptr);
  EXPECT_NE(cache.Find(Key(1)), nullptr);
  EXPECT_NE(cache.Find(Key(4)), nullptr);
}

TEST(PictureCache, NameSpacesShareNothing) {
  PictureCache cache(1000);
  cache.Insert(Key(1, "one"), Embeds(1));
  EXPECT_EQ(cache.Find(Key(1, "two")), nullptr);
  EXPECT_NE(cache.Find(Key(1, "one")), nullptr);
}

TEST(PictureCache, WhatIsTooLargeIsNotKept) {
  PictureCache cache(2 * sizeof(float));
  cache.Insert(Key(1), Embeds(2));
  cache.Insert(Key(2), Embeds(3));
  EXPECT_NE(cache.Find(Key(1)), nullptr);
  EXPECT_EQ(cache.Find(Key(2)), nullptr);
  cache.Insert(Key(1), Embeds(1));
  EXPECT_EQ(cache.bytes(), sizeof(float));
}

}  // namespace
}  // namespace ixc

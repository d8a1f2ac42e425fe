// Prompt lookup: what is guessed, from where, and how long guesses are.
#include <gtest/gtest.h>

#include "engine/prompt_lookup.h"

namespace ixc {
namespace {

using Ids = std::vector<int32_t>;

PromptLookup After(std::vector<int64_t> prompt, const Ids& answer = {}) {
  PromptLookup lookup(prompt);
  for (int32_t id : answer) lookup.Append(id);
  return lookup;
}

TEST(PromptLookup, GoesOnAsTheLatestPlaceDid) {
  EXPECT_EQ(After({1, 2, 3, 4, 5, 6, 7}, {2, 3}).Guess(5), (Ids{4, 5, 6, 7, 2}));
  EXPECT_EQ(After({1, 2, 3, 4, 5, 6, 7}, {2, 3}).Guess(2), (Ids{4, 5}));
  EXPECT_EQ(After({2, 3, 8, 2, 3, 9, 2, 3}).Guess(1), Ids{9});
}

TEST(PromptLookup, ThreeTokensCountMoreThanTwo) {
  EXPECT_EQ(After({1, 2, 3, 50, 2, 3, 60}, {1, 2, 3}).Guess(1), Ids{50});
}

TEST(PromptLookup, SaysNothingWithoutAnEarlierPlace) {
  EXPECT_TRUE(After({}).Guess(5).empty());
  EXPECT_TRUE(After({7}).Guess(5).empty());
  EXPECT_TRUE(After({1, 2, 3, 4}).Guess(5).empty());
  EXPECT_TRUE(After({1, 2, 3, 1, 2}).Guess(0).empty());
  EXPECT_TRUE(After({5, 3, 4, 3}).Guess(5).empty());  // one token is no place
}

TEST(PromptLookup, ARunRepeatsItself) { EXPECT_EQ(After({4, 4, 4}).Guess(3), Ids{4}); }

TEST(PromptLookup, PicturesMatchNothingAndEndAGuess) {
  EXPECT_TRUE(After({1, -1, -1, -1, 2, -1, -1}).Guess(5).empty());
  EXPECT_EQ(After({1, 2, 3, -1, -1, 9}, {1, 2}).Guess(5), Ids{3});
  EXPECT_TRUE(After({1, 2, -1, -1, 9}, {1, 2}).Guess(5).empty());
}

TEST(PromptLookup, GuessesShrinkAfterMissesAndGrowAgain) {
  PromptLookup lookup = After({});
  EXPECT_EQ(lookup.limit(), PromptLookup::kLongestGuess);
  lookup.Learn(5, 0);
  EXPECT_EQ(lookup.limit(), 2);
  lookup.Learn(2, 0);
  lookup.Learn(1, 0);
  EXPECT_EQ(lookup.limit(), 1);
  lookup.Learn(0, 0);
  lookup.Learn(1, 1);
  EXPECT_EQ(lookup.limit(), 3);
  lookup.Learn(3, 2);
  EXPECT_EQ(lookup.limit(), 3);
  lookup.Learn(3, 3);
  EXPECT_EQ(lookup.limit(), 5);
}

}  // namespace
}  // namespace ixc

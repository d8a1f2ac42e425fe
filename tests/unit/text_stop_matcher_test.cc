#include <gtest/gtest.h>

#include <random>

#include "text/stop_matcher.h"

namespace ixc {
namespace {

TEST(StopMatcher, NothingIsHeldWithoutStopTexts) {
  StopMatcher matcher({});
  EXPECT_EQ(matcher.Push("some text"), "some text");
  EXPECT_EQ(matcher.Finish(), "");
}

TEST(StopMatcher, HoldsBackWhatMayBeginAStopText) {
  StopMatcher matcher({"END"});
  EXPECT_EQ(matcher.Push("the E"), "the ");
  EXPECT_EQ(matcher.Push("N"), "");
  EXPECT_EQ(matcher.Push("E"), "EN");
  EXPECT_EQ(matcher.Push("ND of it"), "");
  EXPECT_TRUE(matcher.found());
  EXPECT_EQ(matcher.Push("more"), "");
  EXPECT_EQ(matcher.Finish(), "");
}

TEST(StopMatcher, WhatWasHeldComesAtTheEnd) {
  StopMatcher matcher({"\n\n", "。完"});
  EXPECT_EQ(matcher.Push("好。"), "好");
  EXPECT_EQ(matcher.Finish(), "。");
  EXPECT_FALSE(matcher.found());
}

TEST(StopMatcher, TheFirstToBeCompleteEndsTheText) {
  StopMatcher matcher({"abcd", "bc"});
  EXPECT_EQ(matcher.Push("xabcd"), "xa");
  StopMatcher nested({"b", "ab"});
  EXPECT_EQ(nested.Push("xab"), "x");
}

// Against the definition, on all the ways to cut random texts of a tiny alphabet.
TEST(StopMatcher, CuttingTheTextElsewhereChangesNothing) {
  std::minstd_rand random(1);
  const auto random_text = [&](size_t longest) {
    std::string text(1 + random() % longest, 'a');
    for (char& letter : text) letter = static_cast<char>('a' + random() % 2);
    return text;
  };
  for (int round = 0; round < 2000; ++round) {
    std::vector<std::string> stops;
    for (size_t i = 0; i < 1 + round % 3u; ++i) stops.push_back(random_text(4));
    const std::string text = random_text(12);
    std::string wanted = text;
    for (size_t end = 1; end <= text.size() && wanted == text; ++end) {
      size_t begin = end;
      for (const std::string& stop : stops) {
        if (end >= stop.size() && text.compare(end - stop.size(), stop.size(), stop) == 0) {
          begin = std::min(begin, end - stop.size());
        }
      }
      if (begin < end) {
        wanted = text.substr(0, begin);
        break;
      }
    }
    StopMatcher matcher(stops);
    std::string got;
    for (size_t at = 0; at < text.size();) {
      const size_t count = 1 + random() % 3;
      got += matcher.Push(std::string_view(text).substr(at, count));
      at += count;
    }
    got += matcher.Finish();
    ASSERT_EQ(got, wanted) << text;
  }
}

}  // namespace
}  // namespace ixc

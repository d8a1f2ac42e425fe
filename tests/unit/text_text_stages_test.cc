#include <gtest/gtest.h>

#include <random>

#include "text/text_stages.h"

namespace ixc {
namespace {

constexpr const char* kBroken = "\uFFFD";

std::string Join(std::string_view bytes) {
  ByteJoiner joiner;
  std::string text;
  for (char byte : bytes) text += joiner.PushByte(static_cast<uint8_t>(byte));
  return text + joiner.Finish();
}

TEST(ByteJoinerTest, BrokenBytesOneByOne) {
  EXPECT_EQ(Join("A\xE4\xBD\xA0"), "A你");
  EXPECT_EQ(Join("\xE4\xBD"), std::string(kBroken) + kBroken);
  EXPECT_EQ(Join("\xE4\xE4\xBD\xA0"), std::string(kBroken) + "你");
  EXPECT_EQ(Join("\xED\xA0\x80"), std::string(kBroken) + kBroken + kBroken);
  EXPECT_EQ(Join("\xEF\xBF\xBD"), kBroken);
}

TEST(ByteJoinerTest, TextEndsARun) {
  ByteJoiner joiner;
  EXPECT_EQ(joiner.PushByte(0xE4), "");
  EXPECT_EQ(joiner.PushByte(0xBD), "");
  EXPECT_EQ(joiner.PushText("x"), std::string(kBroken) + kBroken + "x");
  EXPECT_EQ(joiner.PushByte(0xA0), kBroken);
  EXPECT_EQ(joiner.PushByte(0xC3), "");
  EXPECT_EQ(joiner.PushByte(0xA9), "é");
  EXPECT_EQ(joiner.Finish(), "");
}

TEST(ReplacerTest, HoldsBackOnlyTheOpenMatch) {
  Replacer replacer(" n't", "n't");
  EXPECT_EQ(replacer.Push("do"), "do");
  EXPECT_EQ(replacer.Push(" "), "");
  EXPECT_EQ(replacer.Push(" "), " ");
  EXPECT_EQ(replacer.Push("n"), "");
  EXPECT_EQ(replacer.Push("'"), "");
  EXPECT_EQ(replacer.Push("t"), "n't");
  EXPECT_EQ(replacer.Push(" n"), "");
  EXPECT_EQ(replacer.Finish(), " n");
}

// Written plainly: what the stages must give for a whole text.
std::string CleanedUp(std::string text) {
  const std::pair<std::string, std::string> replacements[] = {
      {" .", "."},     {" ?", "?"},   {" !", "!"},   {" ,", ","},     {" ' ", "'"},
      {" n't", "n't"}, {" 'm", "'m"}, {" 's", "'s"}, {" 've", "'ve"}, {" 're", "'re"}};
  for (const auto& [pattern, replacement] : replacements) {
    for (size_t at = 0; (at = text.find(pattern, at)) != text.npos; at += replacement.size()) {
      text.replace(at, pattern.size(), replacement);
    }
  }
  return text;
}

TEST(CleanUpTest, Replacements) {
  EXPECT_EQ(CleanedUp("a . b ? c ! d , e"), "a. b? c! d, e");
  EXPECT_EQ(CleanedUp("it 's , I 'm n't"), "it's, I'mn't");
  // One after the other: the quote between spaces goes before the contractions are looked for.
  EXPECT_EQ(CleanedUp("x ' s"), "x's");
  EXPECT_EQ(CleanedUp(" ' ' "), "'' ");
}

TEST(CleanUpTest, StreamedAsWhole) {
  std::mt19937 random(1);
  const std::string alphabet = "   '''nntmsver.?!,a";
  for (int round = 0; round < 20'000; ++round) {
    std::string text;
    for (size_t i = random() % 16; i > 0; --i) text += alphabet[random() % alphabet.size()];
    CleanUp clean_up;
    std::string streamed;
    for (size_t at = 0; at < text.size();) {
      const size_t length = 1 + random() % 3;
      streamed += clean_up.Push(text.substr(at, length));
      at += length;
    }
    streamed += clean_up.Finish();
    ASSERT_EQ(streamed, CleanedUp(text)) << '"' << text << '"';
  }
}

TEST(CutAtMarkerTest, CutsBeforeTheFirst) {
  CutAtMarker cut("[END]");
  EXPECT_EQ(cut.Push("a[E"), "a");
  EXPECT_EQ(cut.Push("x[[EN"), "[Ex[");
  EXPECT_FALSE(cut.found());
  EXPECT_EQ(cut.Push("D] and more"), "");
  EXPECT_TRUE(cut.found());
  EXPECT_EQ(cut.Push("more"), "");
  EXPECT_EQ(cut.Finish(), "");
}

TEST(CutAtMarkerTest, AnUnfinishedMarkerIsText) {
  CutAtMarker cut("[END]");
  EXPECT_EQ(cut.Push("a[EN"), "a");
  EXPECT_EQ(cut.Finish(), "[EN");
}

}  // namespace
}  // namespace ixc

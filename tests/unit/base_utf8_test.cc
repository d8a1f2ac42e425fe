#include <gtest/gtest.h>

#include "base/utf8.h"

namespace ixc {
namespace {

TEST(Utf8Test, WholeCharacters) {
  for (std::string_view text :
       {"a", "\x7F", "\xC2\x80", "\xDF\xBF", "\xE0\xA0\x80", "\xED\x9F\xBF", "\xEE\x80\x80",
        "\xEF\xBF\xBD", "\xF0\x90\x80\x80", "\xF4\x8F\xBF\xBF"}) {
    const Utf8Sequence sequence = ReadUtf8(text);
    EXPECT_EQ(sequence.front, Utf8Front::kCharacter);
    EXPECT_EQ(static_cast<size_t>(sequence.length), text.size());
  }
  EXPECT_EQ(ReadUtf8(std::string_view("\0", 1)).length, 1);
  EXPECT_EQ(ReadUtf8("a").code_point, 0x61u);
  EXPECT_EQ(ReadUtf8("\xC2\x80").code_point, 0x80u);
  EXPECT_EQ(ReadUtf8("\xEF\xBF\xBD").code_point, 0xFFFDu);
  EXPECT_EQ(ReadUtf8("\xF4\x8F\xBF\xBF").code_point, 0x10FFFFu);
}

TEST(Utf8Test, BrokenOrOpen) {
  for (std::string_view text : {"\x80", "\xFF", "\xF8\x88\x80\x80\x80",          // no lead byte
                                "\xC1\xBF", "\xE0\x9F\xBF", "\xF0\x8F\xBF\xBF",  // not the shortest
                                "\xED\xA0\x80", "\xF4\x90\x80\x80",  // a surrogate; too large
                                "\xC3 ", "\xE4\xBD ",
                                "\xF0\x9F\x98"
                                "A"}) {
    EXPECT_EQ(ReadUtf8(text).front, Utf8Front::kBroken);
    EXPECT_FALSE(IsUtf8(text));
  }
  for (std::string_view text : {"\xC3", "\xE4", "\xE4\xBD", "\xF0\x9F\x98"}) {
    EXPECT_EQ(ReadUtf8(text).front, Utf8Front::kOpen);
    EXPECT_FALSE(IsUtf8(text));
  }
  EXPECT_TRUE(IsUtf8(""));
  EXPECT_TRUE(IsUtf8("浦语·灵笔 😀"));
}

TEST(Utf8Test, StripsWhatPythonStrips) {
  const std::string space =
      "\t\n\v\f\r\x1C\x1D\x1E\x1F \u0085\u00A0\u1680\u2000\u200A\u2028\u2029"
      "\u202F\u205F\u3000";
  EXPECT_EQ(StripFront(space + "x" + space), "x" + space);
  EXPECT_EQ(StripBack(space + "x" + space), space + "x");
  EXPECT_EQ(StripFront(space), "");
  EXPECT_EQ(StripBack(space), "");
  for (std::string_view kept : {"\u200B", "\uFEFF", "\u180E", "\u2581"}) {
    EXPECT_EQ(StripFront(kept), kept);
    EXPECT_EQ(StripBack(kept), kept);
  }
}

}  // namespace
}  // namespace ixc

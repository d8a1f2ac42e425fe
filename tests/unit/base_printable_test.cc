#include <gtest/gtest.h>

#include "base/printable.h"

namespace ixc {
namespace {

TEST(Printable, LeavesTextAlone) {
  EXPECT_EQ(Printable(""), "");
  EXPECT_EQ(Printable("wei\u00df \u4f60\u597d \U0001F600 'a\\b'"),
            "wei\u00df \u4f60\u597d \U0001F600 'a\\b'");
}

TEST(Printable, EscapesWhatATerminalObeys) {
  EXPECT_EQ(Printable("a\nb\tc\r"), "a\\nb\\tc\\x0d");
  EXPECT_EQ(Printable("\x1b[2J\x7f\u009b31m"), "\\x1b[2J\\x7f\\x9b31m");
  EXPECT_EQ(Printable(std::string_view("\0", 1)), "\\x00");
  EXPECT_EQ(Printable("a\u202eb\u2028c\u2066"), "a\\u202eb\\u2028c\\u2066");
}

TEST(Printable, EscapesWhatIsNotUtf8) {
  EXPECT_EQ(Printable("\xff"
                      "a\xc3"),
            "\\xffa\\xc3");
  EXPECT_EQ(Printable("\xc0\xaf"), "\\xc0\\xaf");           // a slash in two bytes
  EXPECT_EQ(Printable("\xed\xa0\x80"), "\\xed\\xa0\\x80");  // half a surrogate pair
  EXPECT_EQ(Printable("\xf4\x90\x80\x80"), "\\xf4\\x90\\x80\\x80");
  EXPECT_EQ(Printable("\xe4\xbd"), "\\xe4\\xbd");
}

TEST(Printable, CutsBetweenCharacters) {
  EXPECT_EQ(Printable("abcdef", 6), "abcdef");
  EXPECT_EQ(Printable("abcdefg", 6), "abcdef...");
  EXPECT_EQ(Printable("ab\u4f60", 4), "ab...");
  EXPECT_EQ(Printable(std::string(1 << 20, 'x')).size(), kMaxMessageBytes + 3);
}

}  // namespace
}  // namespace ixc

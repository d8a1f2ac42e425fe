#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/text_lines.h"

namespace ixc {
namespace {

std::vector<std::string> LinesOf(std::string_view text) {
  std::vector<std::string> lines;
  while (!text.empty()) lines.emplace_back(TakeLine(text));
  return lines;
}

TEST(TextLines, EndAtEveryLineFeed) {
  using Lines = std::vector<std::string>;
  EXPECT_EQ(LinesOf(""), Lines());
  EXPECT_EQ(LinesOf("a"), Lines({"a"}));
  EXPECT_EQ(LinesOf("a\n"), Lines({"a"}));
  EXPECT_EQ(LinesOf("\n\nb\r\nc"), Lines({"", "", "b\r", "c"}));
}

TEST(TextLines, BlankIsWhiteSpaceOnly) {
  EXPECT_TRUE(IsBlank(""));
  EXPECT_TRUE(IsBlank(" \t\r"));
  EXPECT_FALSE(IsBlank(" x"));
}

}  // namespace
}  // namespace ixc

#include <gtest/gtest.h>

#include <utility>
#include <vector>

#include "eval/clip_text.h"

namespace ixc {
namespace {

// What ftfy 6.3.1, html.unescape() twice, splitting at white space and lower() make of the texts.
TEST(CleanClipText, DoesAsThePythonPackagesDo) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"sch\303\203\302\266n", "sch\303\266n"},
      {"\303\242\342\202\254\305\223quotes\303\242\342\202\254\302\235", "\"quotes\""},
      {"\342\200\234a\342\200\235\342\200\224b", "\"a\"\342\200\224b"},
      {"\303\257\302\254\302\201ne", "fine"},
      {"\357\254\201ne \357\254\202ow \357\254\205 \357\254\206", "fine flow \305\277t st"},
      {"\305\211 \307\204 \307\205 \304\263", "'n d\305\276 d\305\276 ij"},
      {"\357\274\241\357\274\242\357\274\243\357\274\214\357\274\221\357\274\222", "abc,12"},
      {"\343\200\200x", "x"},
      {"a\015\012b\015c\342\200\250d", "a b c d"},
      {"caf\314\201e", "caf\314\201e"},
      {"e\314\201", "\303\251"},
      {"\302\205x\302\200", "\342\200\246x\342\202\254"},
      {"\007bell\177", "bell"},
      {"a&amp;amp;lt;b", "a<b"},
      {"&#65;&#x42;&#8364;&#150;", "ab\342\202\254\342\200\223"},
      {"&lt;b&gt;", "<b>"},
      {"&eacute;&nbsp;x", "\303\251 x"},
      {"&ampx &copy2", "&x \302\2512"},
      {"a<b&amp;c", "a<b&c"},
      {"\304\260STANBUL \316\243\316\221\316\243", "i\314\207stanbul \317\203\316\261\317\202"},
      {"M\303\203\302\274ller &amp; S\303\203\302\266hne", "m\303\274ller & s\303\266hne"},
      {"\303\246\342\200\224\302\245\303\246\305\223\302\254", "\346\227\245\346\234\254"},
      {"\303\203\306\222\303\202\302\274", "\303\274"},
      {"\357\273\277bom", "bom"},
      {"\303\202\302\265\303\202\302\260", "\302\265\302\260"},
      {"na\303\257ve caf\303\251", "na\303\257ve caf\303\251"},
      {"\303\203\302\251t\303\203\302\251\012ok \303\274", "\303\251t\303\251 ok \303\274"},
      {"&apos;&QUOT;", "'\""},
      {"it\342\200\231s \312\274n", "it's 'n"},
      {"x\302\240y", "x y"},
      {"\342\200\213z", "\342\200\213z"},
      {"\302\275\342\204\242\342\200\246", "\302\275\342\204\242\342\200\246"},
      {"\357\275\266\357\276\236", "\343\202\254"},
      {"&#0;&#xD800;&#1;", "\357\277\275\357\277\275"},
      {"&notit;", "\302\254it;"},
      {"a\013b\014c", "ab c"},
  };
  for (const auto& [text, clean] : cases) EXPECT_EQ(ToUtf8(CleanClipText(text)), clean) << text;
}

TEST(CleanClipText, TextThatIsNotUtf8KeepsItsRest) {
  EXPECT_EQ(ToUtf8(CleanClipText("a\xff"
                                 "b")),
            "a\xEF\xBF\xBD"
            "b");
  EXPECT_EQ(ToUtf8(CleanClipText("a\xe7\x8c")), "a\xEF\xBF\xBD\xEF\xBF\xBD");
}

TEST(UnescapeHtml, LeavesWhatIsNoReference) {
  for (const char32_t* text :
       {U"&", U"a & b", U"&#;", U"&#x;", U"&unknown;", U"&a", U"&;", U"&#g;"}) {
    EXPECT_EQ(UnescapeHtml(text), text);
  }
}

TEST(UnescapeHtml, HugeNumbersAreNoCharacters) {
  EXPECT_EQ(UnescapeHtml(U"&#99999999999999999999;"), U"\uFFFD");
  EXPECT_EQ(UnescapeHtml(U"&#x110000;"), U"\uFFFD");
  EXPECT_EQ(UnescapeHtml(U"&#x10FFFD;"), U"\U0010FFFD");
}

}  // namespace
}  // namespace ixc

#include <gtest/gtest.h>

#include "eval/predictions.h"
#include "unit/temp_dir.h"

namespace ixc {
namespace {

TEST(Predictions, BytesArePythonsJson) {
  // json.dumps of the same object with sort_keys=True.
  EXPECT_EQ(FormatPredictions({}), "{}");
  EXPECT_EQ(FormatPredictions({{"b/z.png", "Zwei \"Katzen\"\n\t/\\"},
                               {"a.png", "猫\x7f\x01 \xF0\x9F\x98\x80"},
                               {"é", "x"},
                               {"Z", ""}}),
            R"({"Z": "", "a.png": "\u732b\u007f\u0001 \ud83d\ude00", )"
            R"("b/z.png": "Zwei \"Katzen\"\n\t/\\", "\u00e9": "x"})");
}

TEST(Predictions, KeysAreSortedByCodePointAndNotByUtf16) {
  // U+FF01 comes before U+1F600, though the surrogate D83D is below FF01.
  const std::string text = FormatPredictions({{"\xF0\x9F\x98\x80", "b"}, {"\xEF\xBC\x81", "a"}});
  EXPECT_EQ(text, R"({"\uff01": "a", "\ud83d\ude00": "b"})");
}

TEST(Predictions, AreReadAsTheyWereWritten) {
  const TempDir folder;
  const Predictions written = {{"/a/b.png", "Ein Satz.\n"}, {"猫.png", "这是一只猫。"}};
  WritePredictions(folder.path() / "p.json", written);
  EXPECT_EQ(ReadPredictions(folder.path() / "p.json"), written);
}

TEST(Predictions, OtherJsonIsAnError) {
  const TempDir folder;
  EXPECT_PRED2(Contains, ErrorOf([&] { ReadPredictions(folder.Write("a.json", "[1]")); }), "array");
  EXPECT_PRED2(Contains, ErrorOf([&] { ReadPredictions(folder.Write("b.json", R"({"x": 1})")); }),
               "'x'");
  EXPECT_PRED2(Contains, ErrorOf([&] { ReadPredictions(folder.Write("c.json", "{\"x\": \"")); }),
               "c.json");
}

TEST(Predictions, LeftoversOfAKilledRunAreRemoved) {
  const TempDir folder;
  for (const char* name :
       {"p.json", "p.json.tmp-abcd1234", "q.json.tmp-abcd1234", "p.json.tmp-x"}) {
    folder.Write(name, "{}");
  }
  RemoveUnfinished(folder.path() / "p.json");
  EXPECT_TRUE(std::filesystem::exists(folder.path() / "p.json"));
  EXPECT_FALSE(std::filesystem::exists(folder.path() / "p.json.tmp-abcd1234"));
  EXPECT_TRUE(std::filesystem::exists(folder.path() / "q.json.tmp-abcd1234"));
  EXPECT_TRUE(std::filesystem::exists(folder.path() / "p.json.tmp-x"));
}

TEST(PairAnswers, ByKeyThenByFileName) {
  const Predictions a = {
      {"/x/1.png", "A1"}, {"2.png", "A2"}, {"/x/3.png", "A3"}, {"/y/3.png", "A4"}};
  const Predictions b = {{"1.png", "B1"}, {"2.png", "B2"}, {"3.png", "B3"}};
  const PairedAnswers paired = PairAnswers(a, b);
  ASSERT_EQ(paired.pairs.size(), 2u);
  EXPECT_EQ(paired.pairs[0].key_b, "1.png");
  EXPECT_EQ(paired.pairs[0].answer_b, "B1");
  EXPECT_EQ(paired.pairs[1].answer_a, "A2");
  // Two pictures of that name on one side: no guess.
  EXPECT_EQ(paired.only_a, (std::vector<std::string>{"/x/3.png", "/y/3.png"}));
  EXPECT_EQ(paired.only_b, std::vector<std::string>{"3.png"});
}

}  // namespace
}  // namespace ixc

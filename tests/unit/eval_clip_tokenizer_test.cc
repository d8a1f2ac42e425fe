#include <gtest/gtest.h>

#include "eval/clip_tokenizer.h"
#include "unit/temp_dir.h"

namespace ixc {
namespace {

constexpr const char* kMerges = "#version\nt h\nth e</w>\na t</w>\nc at</w>\n";

// The vocabulary begins with '!' (33), so a letter's number is its byte less 33.
constexpr int32_t Letter(char c) { return c - 33; }
constexpr int32_t Last(char c) { return 256 + c - 33; }

class ClipTokenizerTest : public ::testing::Test {
 protected:
  std::vector<int32_t> Encode(std::string_view text, int64_t context = 12) {
    ClipTokenizer tokenizer(folder_.Write("merges.txt", kMerges), 518, context);
    EXPECT_EQ(tokenizer.end_id(), 517);
    std::vector<int32_t> ids = tokenizer.Encode(text);
    EXPECT_EQ(std::ssize(ids), context);
    return ids;
  }

  TempDir folder_;
};

TEST_F(ClipTokenizerTest, MergesByRank) {
  EXPECT_EQ(Encode("The cat", 8), (std::vector<int32_t>{516, 513, 515, 517, 0, 0, 0, 0}));
  EXPECT_EQ(Encode("that", 6), (std::vector<int32_t>{516, 512, 514, 517, 0, 0}));
}

TEST_F(ClipTokenizerTest, WordsEndAtClasses) {
  EXPECT_EQ(Encode("a1!?'s", 9),
            (std::vector<int32_t>{516, Last('a'), Last('1'), Letter('!'), Letter('?'), Last('\''),
                                  Last('s'), 517, 0}));
  EXPECT_EQ(Encode("a's", 5), (std::vector<int32_t>{516, Last('a'), Letter('\''), Last('s'), 517}));
}

TEST_F(ClipTokenizerTest, TooLongATextEndsWithTheEndToken) {
  EXPECT_EQ(Encode("a b c d e f", 4), (std::vector<int32_t>{516, Last('a'), Last('b'), 517}));
  EXPECT_EQ(Encode("abcdefgh", 4), (std::vector<int32_t>{516, Letter('a'), Letter('b'), 517}));
}

TEST_F(ClipTokenizerTest, MarkersInTheTextAreTokens) {
  EXPECT_EQ(Encode("a<end_of_text>b", 5),
            (std::vector<int32_t>{516, Last('a'), 517, Last('b'), 517}));
}

TEST_F(ClipTokenizerTest, TooFewMergesAreAnError) {
  const auto path = folder_.Write("merges.txt", kMerges);
  EXPECT_PRED2(Contains, ErrorOf([&] { ClipTokenizer(path, 519, 77); }), "4 merges");
  EXPECT_PRED2(Contains, ErrorOf([&] { ClipTokenizer(folder_.path() / "none.gz", 518, 77); }),
               "none.gz");
}

}  // namespace
}  // namespace ixc

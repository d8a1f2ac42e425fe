// Ids and texts of the reference's slow tokenizer, for the real tokenizer and a small one.
#include <gtest/gtest.h>

#include "base/json.h"
#include "text/stream_decoder.h"
#include "text/tokenizer.h"

namespace ixc {
namespace {

using Ids = std::vector<int32_t>;

struct Case {
  std::string model;  // below tests/data/tokenizer
  std::string golden;
};

class TokenizerGoldenTest : public testing::TestWithParam<Case> {
 protected:
  const std::string folder_ = IXC_TEST_DATA "/tokenizer/";
  const Tokenizer tokenizer_ = Tokenizer::Load(folder_ + GetParam().model);
  const Json golden_ = ReadJsonFile(folder_ + GetParam().golden);
};

TEST_P(TokenizerGoldenTest, Vocabulary) {
  EXPECT_EQ(tokenizer_.vocab_size(), golden_["vocab_size"].get<int>());
  EXPECT_EQ(tokenizer_.bos_id(), golden_["bos"].get<int>());
  EXPECT_EQ(tokenizer_.eos_id(), golden_["eos"].get<int>());
  EXPECT_EQ(tokenizer_.unk_id(), 0);
  EXPECT_EQ(tokenizer_.PieceId("[UNUSED_TOKEN_145]"), golden_["eoa"].get<int>());
  EXPECT_EQ(tokenizer_.PieceId("[UNUSED_TOKEN_146]"), golden_["boa"].get<int>());
}

TEST_P(TokenizerGoldenTest, Encode) {
  ASSERT_FALSE(golden_["encode"].empty());
  for (const Json& item : golden_["encode"]) {
    const std::string text = item["text"];
    EXPECT_EQ(tokenizer_.Encode(text), item["ids"].get<Ids>()) << text;
    EXPECT_EQ(tokenizer_.EncodeWithBos(text), item["ids_with_bos"].get<Ids>()) << text;
  }
}

// Typed text without control strings gives the reference's ids.
TEST_P(TokenizerGoldenTest, EncodeOrdinary) {
  int compared = 0;
  for (const Json& item : golden_["encode"]) {
    const std::string text = item["text"];
    const bool harmless = text.find("<s>") == text.npos && text.find("</s>") == text.npos &&
                          text.find("<unk>") == text.npos && text.find("UNUSED") == text.npos;
    if (!harmless) continue;
    EXPECT_EQ(tokenizer_.EncodeOrdinary(text), item["ids"].get<Ids>()) << text;
    ++compared;
  }
  EXPECT_GT(compared, 100);
}

TEST_P(TokenizerGoldenTest, Decode) {
  ASSERT_FALSE(golden_["decode"].empty());
  for (const Json& item : golden_["decode"]) {
    const Ids ids = item["ids"];
    EXPECT_EQ(tokenizer_.Decode(ids, false), item["text"].get<std::string>()) << item["ids"];
    EXPECT_EQ(tokenizer_.Decode(ids, true), item["text_skip_special"].get<std::string>())
        << item["ids"];
  }
}

TEST_P(TokenizerGoldenTest, StreamedText) {
  for (const Json& item : golden_["decode"]) {
    StreamDecoder decoder(tokenizer_);
    std::string text;
    for (const Json& id : item["ids"]) text += decoder.Push(id);
    text += decoder.Finish();
    const std::string whole = item["text_skip_special"];
    EXPECT_EQ(text, whole.substr(0, whole.find("[UNUSED_TOKEN_145]"))) << item["ids"];
  }
}

INSTANTIATE_TEST_SUITE_P(Models, TokenizerGoldenTest,
                         testing::Values(Case{"tokenizer.model", "real.json"},
                                         Case{"small", "small.json"}),
                         [](const auto& param) { return param.index == 0 ? "Real" : "Small"; });

}  // namespace
}  // namespace ixc

#include <gtest/gtest.h>

#include <random>

#include "base/error.h"
#include "base/utf8.h"
#include "text/stream_decoder.h"
#include "unit/text_test_tokenizers.h"

namespace ixc {
namespace {

using Ids = std::vector<int32_t>;

// Random sequences rich in bytes, punctuation, special tokens and, now and then, the marker.
class RandomIds {
 public:
  explicit RandomIds(const Tokenizer& tokenizer) : tokenizer_(tokenizer) {
    for (int32_t id = 0; id < tokenizer.vocab_size(); ++id) {
      const TokenText token = tokenizer.Text(id);
      const bool is_text = token.kind == TokenText::Kind::kText;
      if (token.kind == TokenText::Kind::kByte) bytes_.push_back(id);
      if (is_text && token.text.size() < 4 &&
          token.text.find_first_of(" '.,!?nt") != token.text.npos) {
        clean_up_.push_back(id);
      }
    }
  }

  Ids Next() {
    Ids ids;
    for (uint32_t length = random_() % 24; length > 0; --length) Append(ids);
    return ids;
  }

 private:
  void Append(Ids& ids) {
    const uint32_t kind = random_() % 16;
    if (kind < 4) {
      for (uint8_t byte : {0xF0, 0x9F, 0x98, 0x80}) {  // an emoji, often incomplete
        if (random_() % 8 != 0) ids.push_back(bytes_[byte]);
      }
    } else if (kind < 6) {
      ids.push_back(Pick(bytes_));
    } else if (kind < 12) {
      ids.push_back(Pick(clean_up_));
    } else if (kind == 12) {
      ids.push_back(static_cast<int32_t>(random_() % 3));
    } else if (kind == 13 && random_() % 4 == 0) {
      const Ids spelled = tokenizer_.EncodeOrdinary("[UNUSED_TOKEN_145]");
      ids.insert(ids.end(), spelled.begin(), spelled.end() - (random_() % 2));
    } else {
      ids.push_back(
          static_cast<int32_t>(random_() % static_cast<uint32_t>(tokenizer_.vocab_size())));
    }
  }
  int32_t Pick(const Ids& ids) { return ids[random_() % ids.size()]; }

  const Tokenizer& tokenizer_;
  Ids bytes_;
  Ids clean_up_;
  std::mt19937 random_{7};
};

void ExpectStreamsAsWhole(const Tokenizer& tokenizer, int rounds) {
  RandomIds random(tokenizer);
  int ended = 0;
  for (int round = 0; round < rounds; ++round) {
    const Ids ids = random.Next();
    StreamDecoder decoder(tokenizer);
    std::string text;
    for (int32_t id : ids) {
      const std::string certain = decoder.Push(id);
      ASSERT_TRUE(IsUtf8(certain));
      text += certain;
    }
    text += decoder.Finish();
    const std::string whole = tokenizer.Decode(ids, /*skip_special=*/true);
    const size_t cut = whole.find("[UNUSED_TOKEN_145]");
    ASSERT_EQ(text, whole.substr(0, cut)) << testing::PrintToString(ids);
    ASSERT_EQ(decoder.ended(), cut != whole.npos);
    ended += decoder.ended();
  }
  EXPECT_GT(ended, 0);
}

TEST(StreamDecoderTest, StreamsAsWholeSmall) { ExpectStreamsAsWhole(SmallTokenizer(), 20'000); }
TEST(StreamDecoderTest, StreamsAsWholeReal) { ExpectStreamsAsWhole(RealTokenizer(), 20'000); }

TEST(StreamDecoderTest, GivesTextAsSoonAsItIsCertain) {
  const Tokenizer& tokenizer = RealTokenizer();
  StreamDecoder decoder(tokenizer);
  const auto push = [&](std::string_view piece) { return decoder.Push(tokenizer.PieceId(piece)); };
  EXPECT_EQ(push("Hello"), "Hello");
  EXPECT_EQ(push("▁world"), " world");
  EXPECT_EQ(push("▁"), "");
  EXPECT_EQ(push("."), ".");
  EXPECT_EQ(push("<0xE4>"), "");
  EXPECT_EQ(push("<0xBD>"), "");
  EXPECT_EQ(push("<0xA0>"), "你");
  EXPECT_EQ(push("</s>"), "");
  EXPECT_EQ(push("[UNUSED_TOKEN_145]"), "");
  EXPECT_TRUE(decoder.ended());
  EXPECT_EQ(push("Hello"), "");
  EXPECT_EQ(decoder.Finish(), "");
}

TEST(StreamDecoderTest, RejectsIdsOutsideTheVocabulary) {
  StreamDecoder decoder(SmallTokenizer());
  EXPECT_THROW(decoder.Push(-1), Error);
  EXPECT_THROW(decoder.Push(SmallTokenizer().vocab_size()), Error);
}

}  // namespace
}  // namespace ixc

// Models that libsentencepiece must never see.
#include <gtest/gtest.h>

#include <limits>
#include <random>

#include "base/error.h"
#include "base/mapped_file.h"
#include "text/sentencepiece_model.h"
#include "text/tokenizer.h"

namespace ixc {
namespace {

using Type = SentencePieceModel::Type;

// The least that is a model: its three special pieces and some letters.
SentencePieceModel TinyModel() {
  SentencePieceModel model;
  model.pieces = {
      {"<unk>", 0, Type::kUnknown}, {"<s>", 0, Type::kControl}, {"</s>", 0, Type::kControl}};
  for (const char* piece : {"a", "b", "ab", "▁"})
    model.pieces.push_back({piece, -1, Type::kNormal});
  return model;
}

std::string ErrorOf(std::string_view bytes) {
  try {
    Tokenizer::FromBytes(bytes, "test.model");
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

void ExpectError(std::string_view bytes, const char* wanted) {
  const std::string error = ErrorOf(bytes);
  EXPECT_NE(error.find(wanted), std::string::npos) << error;
  EXPECT_NE(error.find("test.model"), std::string::npos) << error;
}

void ExpectPieceError(SentencePieceModel::Piece piece, const char* wanted) {
  SentencePieceModel model = TinyModel();
  model.pieces.push_back(std::move(piece));
  ExpectError(SerializeForLibrary(model), wanted);
}

std::string SmallModelBytes() {
  const MappedFile file(IXC_TEST_DATA "/tokenizer/small/tokenizer.model");
  return {reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()};
}

TEST(SentencePieceModelTest, TinyModelWorks) {
  const Tokenizer tokenizer = Tokenizer::FromBytes(SerializeForLibrary(TinyModel()), "test.model");
  EXPECT_EQ(tokenizer.Encode("ab a<s>b?"), (std::vector<int32_t>{5, 6, 3, 1, 4, 0}));
  EXPECT_EQ(tokenizer.Decode(std::vector<int32_t>{5, 6, 3, 1, 4}, true), "ab ab");
}

TEST(SentencePieceModelTest, RoundTrip) {
  const SentencePieceModel model = ParseSentencePieceModel(SmallModelBytes(), "small");
  const SentencePieceModel again = ParseSentencePieceModel(SerializeForLibrary(model), "again");
  EXPECT_EQ(again.byte_fallback, model.byte_fallback);
  ASSERT_EQ(again.pieces.size(), model.pieces.size());
  for (size_t i = 0; i < model.pieces.size(); ++i) {
    EXPECT_EQ(again.pieces[i].text, model.pieces[i].text);
    EXPECT_EQ(again.pieces[i].score, model.pieces[i].score);
    EXPECT_EQ(again.pieces[i].type, model.pieces[i].type);
  }
}

TEST(SentencePieceModelTest, NotAModel) {
  ExpectError("", "no pieces");
  ExpectError("This is a text file, not a tokenizer.", "not a sentencepiece model");
  ExpectError("version https://git-lfs.github.com/spec/v1\n", "not a sentencepiece model");
  ExpectError("\x0A\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x7F", "a field wants");
  ExpectError("\x0A\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF", "does not end");
  ExpectError("\x0A", "does not end");
}

TEST(SentencePieceModelTest, BadPieces) {
  ExpectPieceError({"", 0, Type::kNormal}, "is empty");
  ExpectPieceError({std::string(4097, 'x'), 0, Type::kNormal}, "longer");
  ExpectPieceError({"\xC3", 0, Type::kNormal}, "not UTF-8");
  ExpectPieceError({"x", std::numeric_limits<float>::quiet_NaN(), Type::kNormal}, "finite score");
  ExpectPieceError({std::string("x\0y", 3), 0, Type::kUserDefined}, "NUL");
  ExpectPieceError({"<0xGG>", 0, Type::kByte}, "byte");
  ExpectPieceError({"x", 0, static_cast<Type>(7)}, "unknown type 7");
  ExpectPieceError({"a", 0, Type::kNormal}, "already defined");
  ExpectPieceError({"<unk2>", 0, Type::kUnknown}, "unk");
}

TEST(SentencePieceModelTest, SpecialPiecesMustBeThere) {
  for (size_t missing = 0; missing < 3; ++missing) {
    SentencePieceModel model = TinyModel();
    model.pieces.erase(model.pieces.begin() + static_cast<std::ptrdiff_t>(missing));
    ExpectError(SerializeForLibrary(model), "is missing");
  }
}

// The unknown piece is known by its type, not by its name.
TEST(SentencePieceModelTest, UnknownPieceOfAnyName) {
  SentencePieceModel model = TinyModel();
  model.pieces[0].text = "?!";
  std::swap(model.pieces[0], model.pieces[3]);
  const Tokenizer tokenizer = Tokenizer::FromBytes(SerializeForLibrary(model), "test.model");
  EXPECT_EQ(tokenizer.unk_id(), 3);
  EXPECT_EQ(tokenizer.Encode("a?!bz"), (std::vector<int32_t>{0, 3, 4, 3}));
}

// The library's list of matches has 64 places.
TEST(SentencePieceModelTest, NestedUserPieces) {
  SentencePieceModel model = TinyModel();
  for (size_t length = 1; length <= 64; ++length) {
    model.pieces.push_back({std::string(length, 'x'), 0, Type::kUserDefined});
  }
  const Tokenizer tokenizer = Tokenizer::FromBytes(SerializeForLibrary(model), "test.model");
  EXPECT_EQ(tokenizer.Encode(std::string(65, 'x')).size(), 2u);
  model.pieces.push_back({std::string(65, 'x'), 0, Type::kUserDefined});
  ExpectError(SerializeForLibrary(model), "begin with one another");
}

TEST(SentencePieceModelTest, OtherKindsOfModel) {
  const std::string tiny = SerializeForLibrary(TinyModel());
  // A later trainer_spec or normalizer_spec adds to the first.
  ExpectError(tiny + std::string("\x12\x02\x18\x01", 4), "BPE");
  ExpectError(tiny + std::string("\x1A\x03\x12\x01x", 5), "character map");
  ExpectError(tiny + std::string("\x1A\x02\x18\x01", 4), "add_dummy_prefix");
  ExpectError(tiny + std::string("\x1A\x02\x20\x01", 4), "remove_extra_whitespaces");
  ExpectError(tiny + std::string("\x1A\x02\x28\x00", 4), "escape_whitespaces");
}

TEST(SentencePieceModelTest, CutAnywhere) {
  const std::string bytes = SmallModelBytes();
  for (size_t size = 0; size < bytes.size(); size += 7) {
    EXPECT_THROW(Tokenizer::FromBytes(bytes.substr(0, size), "cut"), Error) << size;
  }
}

TEST(SentencePieceModelTest, ChangedBytesGiveAModelOrAnError) {
  const std::string original = SmallModelBytes();
  std::mt19937 random(5);
  for (int round = 0; round < 300; ++round) {
    std::string bytes = original;
    for (uint32_t i = 0; i <= random() % 4; ++i) {
      bytes[random() % bytes.size()] = static_cast<char>(random());
    }
    try {
      const Tokenizer tokenizer = Tokenizer::FromBytes(bytes, "changed");
      tokenizer.Decode(tokenizer.Encode("Hello <s> [UNUSED_TOKEN_145] 你好 \xFF"), false);
    } catch (const Error&) {
    }
  }
}

}  // namespace
}  // namespace ixc

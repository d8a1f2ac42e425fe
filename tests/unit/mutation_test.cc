// Every parser of untrusted bytes: whatever is done to a good input, it is read, or ixc::Error says
// what is wrong; and of an input that is cut anywhere, nothing is read. The fuzz targets do the
// same for hours; these cases run in every build, under every sanitizer.
#include <gtest/gtest.h>

#include <functional>

#include "base/json.h"
#include "base/printable.h"
#include "cli/batch_file.h"
#include "cli/saved_conversation.h"
#include "cli/tokenize.h"
#include "formats/checkpoint.h"
#include "formats/model_config.h"
#include "formats/quant_description.h"
#include "formats/safetensors.h"
#include "formats/torch_bin.h"
#include "image/decode.h"
#include "text/sentencepiece_model.h"
#include "text/tokenizer.h"
#include "unit/mutate.h"
#include "unit/temp_dir.h"
#include "unit/text_test_tokenizers.h"
#include "unit/torch_bin_builder.h"

namespace ixc {
namespace {

const std::string kData = IXC_TEST_DATA;

struct Parser {
  std::string name;
  std::string good;
  std::function<void(const std::string& bytes)> parse;
  bool cut_is_error = true;  // false: formats whose last bytes may be missing
  int rounds = 1500;
};

std::span<const std::byte> Bytes(const std::string& text) { return std::as_bytes(std::span(text)); }

// Reads all that the parser handed out, so that a sanitizer sees a view that leaves its file.
void Touch(const TensorMap& map) {
  unsigned sum = 0;
  for (const NamedTensor& tensor : map.tensors) {
    for (size_t i = 0; i < tensor.view.NumBytes(); ++i) {
      sum += std::to_integer<unsigned>(tensor.view.data[i]);
    }
  }
  volatile unsigned sink = sum;
  static_cast<void>(sink);
}

std::string SafetensorsFile() {
  const std::string header = R"({"a":{"dtype":"F32","shape":[1,2],"data_offsets":[0,8]},)"
                             R"("b":{"dtype":"F16","shape":[2],"data_offsets":[8,12]}})";
  return LittleEndian(uint64_t{header.size()}) + header + std::string(12, 'x');
}

SentencePieceModel SmallModel() {
  using Type = SentencePieceModel::Type;
  SentencePieceModel model;
  model.pieces = {
      {"<unk>", 0, Type::kUnknown}, {"<s>", 0, Type::kControl}, {"</s>", 0, Type::kControl}};
  for (const char* piece : {"a", "b", "ab", "▁"})
    model.pieces.push_back({piece, -1, Type::kNormal});
  model.pieces.push_back({"[X]", 0, Type::kUserDefined});
  return model;
}

std::vector<Parser> WeightParsers() {
  const std::string pickle = PickleTensors({{.shape = {3, 2}, .strides = {1, 3}}, {.name = "u"}});
  const std::string storage(24, 's');
  return {
      {"safetensors", SafetensorsFile(),
       [](const std::string& bytes) { Touch(ParseSafetensors(Bytes(bytes), "f")); }},
      {"torch_bin", MakeTorchBin(pickle, storage),
       [](const std::string& bytes) { Touch(ParseTorchBin(Bytes(bytes), "f")); }},
      {"pickle", pickle,
       [storage](const std::string& bytes) {
         const std::string file = MakeTorchBin(bytes, storage);
         Touch(ParseTorchBin(Bytes(file), "f"));
       }},
      {"tokenizer_model", SerializeForLibrary(SmallModel()),
       [](const std::string& bytes) {
         const Tokenizer tokenizer = Tokenizer::FromBytes(bytes, "f");
         tokenizer.Decode(tokenizer.Encode("ab <s> [X] \xFF"), /*skip_special=*/false);
       }},
  };
}

std::vector<Parser> JsonParsers() {
  const auto model_file = [](const std::string& file) {
    return ReadAll(kData + "/models/" + file);
  };
  const std::string conversation =
      R"({"format":"ixc-conversation","version":1,"system":"s","pictures":[{"file":"a","hd_num":9}],)"
      R"("turns":[["<ImageHere>What?","A cat."]]})";
  const auto trim = [](std::string text) {
    while (text.ends_with('\n')) text.pop_back();
    return text;
  };
  return {
      {"json", R"({"a":[1,-2.5e3,true,null,"\u00e9\n"],"b":{"c":{}}})",
       [](const std::string& text) { ToText(ParseJson(text, "f")); }},
      {"model_config", trim(model_file("vl-a/config.json")),
       [](const std::string& text) { ParseModelConfig(text, "f"); }},
      {"generation_config", R"({"eos_token_id":[2,92542],"max_length":1600})",
       [](const std::string& text) { ParseGenerationConfig(text, "f"); }},
      {"adapter_config", R"({"r":8,"lora_alpha":16,"use_rslora":true,"rank_pattern":{"a":4}})",
       [](const std::string& text) { ParseLoraConfig(text, "f"); }},
      {"lora_adapter", R"({"1": "../float"})",
       [](const std::string& text) { ParseLoraDirectory(text, "f"); }},
      {"quant_description",
       R"({"version":"1.0.0","model_quant_type":"W4","group_size":64,"metadata":{"codec":"c"},)"
       R"("model.layers.0.attention.wqkv.weight":"W4"})",
       [](const std::string& text) { ParseQuantDescription(text, "f", ""); }},
      {"weight_index", R"({"metadata":{},"weight_map":{"a":"x.bin","b":"y.bin"}})",
       [](const std::string& text) { ParseWeightIndex(text, "f"); }},
      {"conversation", conversation,
       [](const std::string& text) { ParseConversation(text, "d/f"); }},
      {"history", R"([["a","b"],["c","d"]])",
       [](const std::string& text) { ParseConversation(text, "d/f"); }},
      {"batch", R"({"image":["a.png","b.png"],"prompt":"What?","extra":1})",
       [](const std::string& text) { ParseBatch(text, "d/f", "?"); }},
      {"line_of_text", R"("Hello [UNUSED_TOKEN_145] \u4f60")",
       [](const std::string& text) { AnswerLine(SmallTokenizer(), text, "f", false); }},
      {"line_of_ids", "[1,300,5,2]",
       [](const std::string& text) { AnswerLine(SmallTokenizer(), text, "f", true); }},
  };
}

std::vector<Parser> PictureParsers() {
  const auto parse = [](const std::string& bytes) {
    const ImageLimits limits{.max_pixels = 1 << 16};
    const Image image = DecodeImage(Bytes(bytes), "f", limits);
    ASSERT_EQ(image.rgb.size(), image.RowBytes() * static_cast<size_t>(image.height));
  };
  // What is cut off may be an end marker or padding only.
  const auto picture = [&](const std::string& name, const std::string& file, bool cut_is_error) {
    return Parser{name, ReadAll(kData + "/images/" + file), parse, cut_is_error, 300};
  };
  return {picture("jpeg", "baseline_420.jpg", false),
          picture("progressive_jpeg", "progressive_444.jpg", false),
          picture("png", "tiny1x1.png", false),
          picture("gif", "extra/gif_interlaced.gif", false),
          picture("bmp", "extra/bmp_4bit.bmp", true),
          picture("webp", "extra/lossy.webp", false)};
}

std::vector<Parser> AllParsers() {
  std::vector<Parser> all = WeightParsers();
  for (const auto& more : {JsonParsers(), PictureParsers()}) {
    all.insert(all.end(), more.begin(), more.end());
  }
  return all;
}

class EveryParser : public testing::TestWithParam<Parser> {};

TEST_P(EveryParser, ReadsTheGoodInput) {
  EXPECT_EQ(ErrorOf([] { GetParam().parse(GetParam().good); }), "no error");
}

TEST_P(EveryParser, RefusesAnInputThatIsCutAnywhere) {
  const Parser& parser = GetParam();
  for (size_t size = 0; size < parser.good.size(); ++size) {
    const std::string error = ErrorOf([&] { parser.parse(parser.good.substr(0, size)); });
    // An empty batch is a batch of no questions.
    const bool may_be_read = !parser.cut_is_error || (parser.name == "batch" && size == 0);
    EXPECT_TRUE(may_be_read || error != "no error") << size;
  }
}

TEST_P(EveryParser, ReadsOrRefusesWhateverIsChanged) {
  const Parser& parser = GetParam();
  std::mt19937 random(20240407);
  int refused = 0;
  for (int round = 0; round < parser.rounds; ++round) {
    const std::string error = ErrorOf([&] { parser.parse(Mutate(parser.good, random)); });
    if (error == "no error") continue;
    ++refused;
    EXPECT_EQ(Printable(error).find('\n'), std::string::npos);
  }
  EXPECT_GT(refused, 0);
}

INSTANTIATE_TEST_SUITE_P(Inputs, EveryParser, testing::ValuesIn(AllParsers()),
                         [](const auto& parser) { return parser.param.name; });

}  // namespace
}  // namespace ixc

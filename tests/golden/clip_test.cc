// The CLIP judge against open_clip 2.26.1: ids exact, pixels, features and scores.
#include <gtest/gtest.h>

#include <set>

#include "eval/clip_judge.h"
#include "support/golden.h"

namespace ixc {
namespace {

using testing::GoldenDir;
using testing::MaxAbsDifference;

const std::filesystem::path kMerges =
    std::filesystem::path(IXC_SOURCE_DIR) / "models/clip-vocabulary/bpe_simple_vocab_16e6.txt.gz";

Json Golden() { return ReadJsonFile(GoldenDir() / "openclip" / "clip_score.json"); }

const ClipJudge& Judge() {
  static const ClipJudge kJudge = [] {
    ClipJudge::Options options;
    options.directory = GoldenDir() / "openclip";
    options.merges = kMerges;
    return ClipJudge::Load(options);
  }();
  return kJudge;
}

// Where the reference's own decoding is kept (another JPEG decoder may be off by a level), that.
Image GoldenImage(const std::string& name) {
  const std::filesystem::path folder = GoldenDir() / "images";
  std::string file = name;
  const Json images = ReadJsonFile(folder / "images.json");
  for (const Json& entry : images["images"]) {
    if (entry["file"] == name) file = entry.value("decoded_png", name);
  }
  return LoadImage((folder / file).string());
}

TEST(ClipGolden, TokenIdsAreExact) {
  const Json golden = Golden();
  int count = 0;
  for (const char* list : {"pairs", "tokenize"}) {
    for (const Json& entry : golden[list]) {
      const std::string text = entry["text"].get<std::string>();
      EXPECT_EQ(Judge().tokenizer().Encode(text), entry["token_ids"].get<std::vector<int32_t>>())
          << text;
      ++count;
    }
  }
  EXPECT_GE(count, 52);
}

TEST(ClipGolden, PixelsFeaturesAndScores) {
  const Json golden = Golden();
  int count = 0;
  for (const Json& pair : golden["pairs"]) {
    const std::string name = pair["image"].get<std::string>();
    const auto text_wanted = pair["text_features"].get<std::vector<float>>();
    const std::vector<float> text = Judge().EncodeText(pair["text"].get<std::string>());
    ASSERT_EQ(text.size(), text_wanted.size());
    EXPECT_LE(MaxAbsDifference(text.data(), text_wanted.data(), std::ssize(text)), 1e-4) << name;

    // open_clip resizes in the file's own mode; the engine's pictures are RGB.
    const std::string mode = pair["pil_mode"].get<std::string>();
    if (mode != "RGB" && mode != "L") continue;
    const Image picture = GoldenImage(name);
    const Matrix pixels = Judge().PreparePixels(picture);
    const auto offsets = pair["pixel_samples"]["offsets"].get<std::vector<size_t>>();
    const auto values = pair["pixel_samples"]["values"].get<std::vector<float>>();
    for (size_t i = 0; i < offsets.size(); ++i) {
      EXPECT_NEAR(pixels.data()[offsets[i]], values[i], 1e-5) << name << " at " << offsets[i];
    }
    const auto image_wanted = pair["image_features"].get<std::vector<float>>();
    const std::vector<float> image = Judge().EncodeImage(picture);
    ASSERT_EQ(image.size(), image_wanted.size());
    EXPECT_LE(MaxAbsDifference(image.data(), image_wanted.data(), std::ssize(image)), 1e-4) << name;
    EXPECT_NEAR(ClipScore(image, text), pair["clip_score"].get<double>(), 1e-5) << name;
    ++count;
  }
  EXPECT_GE(count, 10);
}

TEST(ClipGolden, BothFilesOfWeightsGiveTheSame) {
  const std::filesystem::path source = GoldenDir() / "openclip";
  if (!std::filesystem::exists(source / "open_clip_pytorch_model.bin")) {
    GTEST_SKIP() << "the torch file is not in this set of reference values";
  }
  const std::filesystem::path folder =
      std::filesystem::path(::testing::TempDir()) / "ixc-clip-torch-bin";
  std::filesystem::create_directories(folder);
  for (const char* name : {"open_clip_pytorch_model.bin", "open_clip_config.json"}) {
    std::filesystem::remove(folder / name);
    std::filesystem::create_symlink(source / name, folder / name);
  }
  ClipJudge::Options options;
  options.directory = folder / "open_clip_pytorch_model.bin";
  options.merges = kMerges;
  const ClipJudge judge = ClipJudge::Load(options);
  const Image picture = GoldenImage("cat.png");
  EXPECT_EQ(judge.EncodeImage(picture), Judge().EncodeImage(picture));
  EXPECT_EQ(judge.EncodeText("a cat"), Judge().EncodeText("a cat"));
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace ixc

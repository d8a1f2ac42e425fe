// Decoded pixels against Pillow 12.3's Image.open(f).convert("RGB").
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "base/error.h"
#include "base/json.h"
#include "formats/sha256.h"
#include "image/decode.h"

namespace ixc {
namespace {

const std::filesystem::path kImages = std::filesystem::path(IXC_TEST_DATA) / "images";

struct Listed {
  std::filesystem::path folder;
  Json entry;
  std::filesystem::path path() const { return folder / entry["file"].get<std::string>(); }
  friend void PrintTo(const Listed& listed, std::ostream* out) { *out << listed.path(); }
};

std::vector<Listed> ReadList(const std::filesystem::path& list) {
  std::vector<Listed> pictures;
  const Json json = ReadJsonFile(list);
  for (const Json& entry : json["images"]) pictures.push_back({list.parent_path(), entry});
  return pictures;
}

std::vector<Listed> AllPictures() {
  std::vector<Listed> pictures = ReadList(kImages / "images.json");
  std::vector<Listed> extra = ReadList(kImages / "extra" / "extra.json");
  pictures.insert(pictures.end(), extra.begin(), extra.end());
  return pictures;
}

class DecodeGoldenTest : public testing::TestWithParam<Listed> {};

TEST_P(DecodeGoldenTest, GivesPillowsPixels) {
  const Json& entry = GetParam().entry;
  const Image image = LoadImage(GetParam().path().string());
  ASSERT_EQ(image.width, entry["width"].get<int>());
  ASSERT_EQ(image.height, entry["height"].get<int>());
  if (!entry.contains("decoded_png")) {
    EXPECT_EQ(Sha256(image.rgb), entry["rgb_sha256"].get<std::string>());
    return;
  }
  // JPEG libraries may differ by up to two levels.
  const std::filesystem::path decoded = GetParam().folder / entry["decoded_png"].get<std::string>();
  const Image expected = LoadImage(decoded.string());
  ASSERT_EQ(Sha256(expected.rgb), entry["rgb_sha256"].get<std::string>());
  ASSERT_EQ(image.rgb.size(), expected.rgb.size());
  for (size_t i = 0; i < image.rgb.size(); ++i) {
    ASSERT_LE(std::abs(image.rgb[i] - expected.rgb[i]), 2) << "byte " << i;
  }
}

INSTANTIATE_TEST_SUITE_P(Pictures, DecodeGoldenTest, testing::ValuesIn(AllPictures()),
                         [](const auto& tested) {
                           std::string name = tested.param.entry["file"];
                           for (char& c : name) c = std::isalnum(c) != 0 ? c : '_';
                           return name;
                         });

}  // namespace

}  // namespace ixc

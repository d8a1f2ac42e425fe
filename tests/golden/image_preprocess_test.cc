// The two image transforms and the position-table resize against the reference (Pillow 12.3,
// torchvision 0.16.2, torch 2.1.2). Bytes are exact; floats within 1e-5, the global view 2e-5.
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>

#include "base/error.h"
#include "base/json.h"
#include "base/mapped_file.h"
#include "formats/safetensors.h"
#include "formats/sha256.h"
#include "image/decode.h"
#include "image/transform.h"
#include "kernels/resize/resize.h"
#include "model/image_tokens.h"

namespace ixc {
namespace {

const std::filesystem::path kData = IXC_TEST_DATA;
constexpr double kTolerance = 1e-5;
constexpr double kGlobalTolerance = 2e-5;

Compute TestCompute() {
  static ThreadPool pool(2);
  return {BestIsa(), &pool};
}

const Json& Preprocess() {
  static const Json json = ReadJsonFile(kData / "preprocess" / "preprocess.json");
  return json;
}

// The picture as the reference decoded it: JPEG from the lossless copy of its own decoding.
Image ReferencePicture(const std::string& file) {
  static const Json list = ReadJsonFile(kData / "images" / "images.json")["images"];
  for (const Json& entry : list) {
    if (entry["file"] != file) continue;
    const std::string name = entry.value("decoded_png", file);
    return LoadImage((kData / "images" / name).string());
  }
  Fail("{}: not in images.json", file);
}

// {shape, offsets, values}: values at flat offsets.
void ExpectSamples(std::span<const float> actual, const Json& samples, double tolerance) {
  const auto offsets = samples["offsets"].get<std::vector<size_t>>();
  const auto values = samples["values"].get<std::vector<double>>();
  ASSERT_FALSE(offsets.empty());
  ASSERT_EQ(offsets.size(), values.size());
  for (size_t i = 0; i < offsets.size(); ++i) {
    ASSERT_LT(offsets[i], actual.size());
    ASSERT_NEAR(actual[offsets[i]], values[i], tolerance) << "offset " << offsets[i];
  }
}

// {mean, std, …}: two sums over everything find what the samples miss.
void ExpectStats(std::span<const float> actual, const Json& stats, double tolerance) {
  double sum = 0;
  double squares = 0;
  for (const float v : actual) {
    sum += v;
    squares += static_cast<double>(v) * v;
  }
  const double count = static_cast<double>(actual.size());
  const double mean = sum / count;
  EXPECT_NEAR(mean, stats["mean"].get<double>(), tolerance);
  EXPECT_NEAR(std::sqrt(squares / count - mean * mean), stats["std"].get<double>(), tolerance);
}

std::span<const float> Views(const PreparedImage& prepared, int64_t first, int64_t count) {
  const int64_t elements = prepared.pixels.cols();
  return {prepared.pixels.Row(first), static_cast<size_t>(count * elements)};
}

void ExpectPicture(const Image& actual, const Json& entry) {
  EXPECT_EQ(Sha256(actual.rgb), entry["u8_sha256"].get<std::string>());
  if (!entry.contains("u8_png")) return;
  const std::string file = entry["u8_png"];
  EXPECT_EQ(actual.rgb, LoadImage((kData / "preprocess" / file).string()).rgb);
}

TEST(PreprocessGolden, SquareTransform) {
  const ImageTransform transform{ImageTransform::Kind::kSquare, 490};
  for (const Json& entry : Preprocess()["vl"]) {
    const std::string file = entry["file"];
    SCOPED_TRACE(file);
    const Image image = ReferencePicture(file);
    ExpectPicture(ResizeToSquare(image, 490, TestCompute()), entry);
    const PreparedImage prepared = PrepareImage(image, transform, 0, TestCompute());
    ASSERT_EQ(prepared.num_views(), 1);
    ExpectSamples(Views(prepared, 0, 1), entry["tensor_samples"], kTolerance);
    ExpectStats(Views(prepared, 0, 1), entry["tensor_stats"], kTolerance);
  }
}

void ExpectTiles(const Json& entry) {
  const int hd_num = entry["hd_num"];
  const Image image = ReferencePicture(entry["file"]);
  const HdGeometry geometry = PlanHd(image.width, image.height, hd_num, 336);
  const Image arranged = ArrangeTiles(image, geometry, TestCompute());
  EXPECT_EQ(arranged.width, entry["width"].get<int>());
  EXPECT_EQ(arranged.height, entry["height"].get<int>());
  ExpectPicture(arranged, entry);

  const ImageTransform transform{ImageTransform::Kind::kTiles, 336};
  const PreparedImage prepared = PrepareImage(image, transform, hd_num, TestCompute());
  const int tiles = prepared.num_views() - 1;
  ASSERT_EQ(prepared.tile_rows, entry["crops_y"].get<int>());
  ASSERT_EQ(prepared.tile_cols, entry["crops_x"].get<int>());
  ASSERT_EQ(tiles, prepared.tile_rows * prepared.tile_cols);
  ExpectSamples(Views(prepared, 0, 1), entry["global_samples"], kGlobalTolerance);
  ExpectStats(Views(prepared, 0, 1), entry["global_stats"], kGlobalTolerance);
  ExpectSamples(Views(prepared, 1, tiles), entry["crop_samples"], kTolerance);
  ASSERT_EQ(entry["crop_stats"].size(), static_cast<size_t>(tiles));
  for (int i = 0; i < tiles; ++i) {
    ExpectStats(Views(prepared, 1 + i, 1), entry["crop_stats"][static_cast<size_t>(i)], kTolerance);
  }
}

TEST(PreprocessGolden, TilesTransform) {
  for (const Json& entry : Preprocess()["hd"]) {
    SCOPED_TRACE(entry["file"].get<std::string>() + " at " + entry["hd_num"].dump());
    ExpectTiles(entry);
  }
}

// A whole tensor of a reference file, float32.
std::vector<float> ReadTensor(const std::filesystem::path& path, const std::string& name) {
  const MappedFile file(path);
  const TensorMap map = ParseSafetensors(file.bytes(), path.string());
  for (const NamedTensor& tensor : map.tensors) {
    if (tensor.name == name) return ReadAsFloat(tensor.view, name);
  }
  Fail("{}: no tensor '{}'", path.string(), name);
}

TEST(PreprocessGolden, WholeGlobalView) {
  const auto expected =
      ReadTensor(kData / "preprocess" / "tensors.safetensors", "4khd.global.gradient.png.9");
  const PreparedImage prepared = PrepareImage(
      ReferencePicture("gradient.png"), {ImageTransform::Kind::kTiles, 336}, 9, TestCompute());
  const std::span<const float> actual = Views(prepared, 0, 1);
  ASSERT_EQ(actual.size(), expected.size());
  for (size_t i = 0; i < expected.size(); ++i) {
    ASSERT_NEAR(actual[i], expected[i], kGlobalTolerance) << i;
  }
}

TEST(PreprocessGolden, PositionTable) {
  const std::filesystem::path path = kData / "misc" / "misc.safetensors";
  const std::vector<float> in = ReadTensor(path, "pos.in_577");
  const std::vector<float> expected = ReadTensor(path, "pos.out_1226");
  constexpr int kWidth = 24;  // of a vector; the class row stays in front
  std::vector<float> out(in.begin(), in.begin() + kWidth);
  out.resize(expected.size());
  ResizeBicubic({in.data() + kWidth, 1, 24, 24, kWidth}, {out.data() + kWidth, 1, 35, 35, kWidth},
                TestCompute());
  for (size_t i = 0; i < expected.size(); ++i) ASSERT_NEAR(out[i], expected[i], kTolerance) << i;
}

TEST(HdGeometryGolden, All720Cases) {
  const Json json = ReadJsonFile(kData / "preprocess" / "hd_geometry.json");
  ASSERT_EQ(json["cases"].size(), 720u);
  ImageLayout layout;  // 4KHD's, with 1-wide separators: only their presence counts
  layout.merge = 2;
  layout.row_separator = layout.view_separator = {0.0f};
  for (const Json& item : json["cases"]) {
    SCOPED_TRACE(item.dump());
    const int width = item["width"];
    const int height = item["height"];
    if (item.contains("error")) {
      EXPECT_THROW(PlanHd(width, height, item["hd_num"], 336), Error);
      continue;
    }
    const HdGeometry plan = PlanHd(width, height, item["hd_num"], 336);
    EXPECT_EQ(plan.transposed, item["transposed"].get<bool>());
    const std::vector<int> resized = {plan.resized_height, plan.resized_width};
    EXPECT_EQ(resized, item["resize_h_w"].get<std::vector<int>>());
    const int pad_bottom = plan.padded_height - plan.resized_height - plan.pad_top;
    const std::vector<int> padding = {0, plan.pad_top, 0, pad_bottom};
    EXPECT_EQ(padding, item["pad_left_top_right_bottom"].get<std::vector<int>>());
    EXPECT_EQ(plan.tile_rows, item["crops_y"].get<int>());
    EXPECT_EQ(plan.tile_cols, item["crops_x"].get<int>());
    EXPECT_EQ(plan.tile_cols * 336, item["out_width"].get<int>());
    EXPECT_EQ(plan.tile_rows * 336, item["out_height"].get<int>());
    EXPECT_EQ(NumImageTokens(layout, {plan.tile_rows, plan.tile_cols}, 24),
              item["tokens"].get<int64_t>());
  }
}

}  // namespace
}  // namespace ixc

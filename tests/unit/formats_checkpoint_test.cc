#include <gtest/gtest.h>

#include "formats/checkpoint.h"
#include "formats/safetensors.h"
#include "unit/temp_dir.h"

namespace ixc {
namespace {

constexpr float kValues[] = {1.0f, 2.0f, 3.0f, 4.0f, 5.0f, 6.0f};

void WriteFile(const std::filesystem::path& path, const std::vector<std::string>& tensors) {
  std::vector<TensorSource> sources;
  const TensorView view{DType::kF32, {2, 3}, reinterpret_cast<const std::byte*>(kValues)};
  for (const std::string& name : tensors) sources.push_back(SourceOf(name, view));
  WriteSafetensors(path, sources);
}

std::string OpenError(const TempDir& dir) {
  return ErrorOf([&] { Checkpoint::Open(dir.path()); });
}

constexpr char kIndex[] = "model.safetensors.index.json";
constexpr char kFirst[] = "model-00001-of-00002.safetensors";
constexpr char kSecond[] = "model-00002-of-00002.safetensors";
constexpr char kGoodIndex[] = R"({"metadata": {"total_size": 48}, "weight_map": {
  "a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}})";

TEST(Checkpoint, OneFile) {
  const TempDir dir;
  WriteFile(dir.path() / "model.safetensors", {"b", "a"});
  dir.Write("training_args.bin", "not weights");
  const Checkpoint checkpoint = Checkpoint::Open(dir.path());
  EXPECT_EQ(checkpoint.names(), (std::vector<std::string_view>{"a", "b"}));
  EXPECT_EQ(checkpoint.Find("none"), nullptr);
  EXPECT_EQ(checkpoint.FileOf("a").path().filename(), "model.safetensors");
}

TEST(Checkpoint, ShardsWithAndWithoutIndex) {
  const TempDir dir;
  WriteFile(dir.path() / kFirst, {"a"});
  WriteFile(dir.path() / kSecond, {"b"});
  EXPECT_EQ(Checkpoint::Open(dir.path()).names().size(), 2u);
  dir.Write(kIndex, kGoodIndex);
  EXPECT_EQ(Checkpoint::Open(dir.path()).FileOf("b").path().filename(), kSecond);
}

TEST(Checkpoint, AnySingleSafetensorsFile) {
  const TempDir dir;
  WriteFile(dir.path() / "quant_model_weight_w8a8.safetensors", {"a"});
  EXPECT_EQ(Checkpoint::Open(dir.path()).names().size(), 1u);
}

TEST(Checkpoint, GetChecksShapeAndDType) {
  const TempDir dir;
  WriteFile(dir.path() / "model.safetensors", {"a"});
  const Checkpoint checkpoint = Checkpoint::Open(dir.path());
  const std::string file = (dir.path() / "model.safetensors").string();
  EXPECT_EQ(checkpoint.Get("a", {2, 3}).dtype, DType::kF32);
  EXPECT_EQ(checkpoint.Get("a", {2, 3}, DType::kF32).shape.size(), 2u);
  EXPECT_EQ(ErrorOf([&] {
              checkpoint.Get("a", {3, 2});
            }),
            file + ": tensor 'a' wanted F32, F16 or BF16 [3, 2], found F32 [2, 3]");
  EXPECT_EQ(ErrorOf([&] {
              checkpoint.Get("a", {2, 3}, DType::kI8);
            }),
            file + ": tensor 'a' wanted I8 [2, 3], found F32 [2, 3]");
  EXPECT_EQ(ErrorOf([&] { checkpoint.Get("b", {1}); }),
            dir.path().string() + ": tensor 'b' is missing, wanted F32, F16 or BF16 [1]");
}

TEST(Checkpoint, MissingShardIsAnIncompleteDownload) {
  const TempDir dir;
  WriteFile(dir.path() / kFirst, {"a"});
  const std::string wanted =
      fmt::format("{}: '{}' is missing, one of 2 parts: the download is incomplete; fetch it again",
                  dir.path().string(), kSecond);
  EXPECT_EQ(OpenError(dir), wanted);
  dir.Write(kIndex, kGoodIndex);
  EXPECT_EQ(OpenError(dir),
            fmt::format("{}: '{}' is missing, one of 2 files of {}: the download is incomplete; "
                        "fetch it again",
                        dir.path().string(), kSecond, kIndex));
}

TEST(Checkpoint, IndexAndShardsMustAgree) {
  const TempDir dir;
  dir.Write(kIndex, kGoodIndex);
  WriteFile(dir.path() / kFirst, {"a", "b"});
  WriteFile(dir.path() / kSecond, {"c"});
  EXPECT_PRED2(Contains, OpenError(dir), "holds tensor 'b', which is in 'model-00001");
  WriteFile(dir.path() / kFirst, {"a"});
  EXPECT_PRED2(Contains, OpenError(dir), "holds tensor 'b', which it does not; download both");
  WriteFile(dir.path() / kSecond, {"a", "b"});
  EXPECT_PRED2(Contains, OpenError(dir), "tensor 'a' is in 'model-00001");
}

TEST(Checkpoint, IndexStaysInsideTheDirectory) {
  const TempDir dir;
  for (const char* name : {"/etc/passwd", "../model.safetensors", "..", ".", "", "a\\\\b", "x/y"}) {
    dir.Write(kIndex, fmt::format(R"({{"weight_map": {{"a": "{}"}}}})", name));
    EXPECT_PRED2(Contains, OpenError(dir), "wanted a file name inside the directory") << name;
  }
  dir.Write(kIndex, R"({"weight_map": {"a": 1}})");
  EXPECT_PRED2(Contains, OpenError(dir), "found 1");
  dir.Write(kIndex, R"({"metadata": {}})");
  EXPECT_PRED2(Contains, OpenError(dir), "field 'weight_map' wanted an object, found nothing");
}

TEST(Checkpoint, DirectoriesWithoutOneModelAreErrors) {
  const TempDir dir;
  EXPECT_PRED2(Contains, OpenError(dir), "no weights: wanted model.safetensors");
  const auto missing = dir.path() / "none";
  EXPECT_EQ(ErrorOf([&] { Checkpoint::Open(missing); }),
            missing.string() + ": wanted a model directory, found nothing");
  WriteFile(dir.path() / "x.safetensors", {"a"});
  WriteFile(dir.path() / "y.safetensors", {"b"});
  EXPECT_PRED2(Contains, OpenError(dir), "are not of one set and there is no index");
}

// The first byte of the header's size is the one that begins a pickle.
TEST(Checkpoint, NoSafetensorsFileIsTakenForAPickle) {
  const TempDir dir;
  const TensorView view{DType::kF32, {2, 3}, reinterpret_cast<const std::byte*>(kValues)};
  int met = 0;
  for (size_t length = 1; length < 600; length += 4) {
    const auto path = dir.path() / "model.safetensors";
    WriteSafetensors(path, {SourceOf("a", view)}, {{"note", std::string(length, 'x')}});
    met += ReadAll(path)[0] == '\x80';
    EXPECT_EQ(Checkpoint::Open(dir.path()).names().size(), 1u) << length;
  }
  EXPECT_GT(met, 0);
}

TEST(Checkpoint, PointsAtDownloadsInProgress) {
  const TempDir dir;
  dir.Write("model.safetensors.incomplete", "x");
  EXPECT_EQ(OpenError(dir), dir.path().string() +
                                ": no weights, but 'model.safetensors.incomplete': the download is "
                                "incomplete; fetch it again");
  WriteFile(dir.path() / kFirst, {"a"});
  EXPECT_PRED2(Contains, OpenError(dir),
               "the download is incomplete ('model.safetensors.incomplete' is there); fetch it");
}

TEST(Checkpoint, FindsTensorsThatShareTheirBytes) {
  const TempDir dir;
  const TensorView view{DType::kF32, {2, 3}, reinterpret_cast<const std::byte*>(kValues)};
  WriteSafetensors(dir.path() / "model.safetensors", {SourceOf("a", view)},
                   {{"format", "pt"}, {"tied", "a"}, {"stray", "none"}});
  const Checkpoint checkpoint = Checkpoint::Open(dir.path());
  EXPECT_EQ(checkpoint.names(), (std::vector<std::string_view>{"a", "tied"}));
  EXPECT_EQ(checkpoint.Find("tied")->data, checkpoint.Find("a")->data);
}

TEST(Checkpoint, SaysWhatAPointerFileIs) {
  const TempDir dir;
  dir.Write("model.safetensors", "version https://git-lfs.github.com/spec/v1\noid sha256:0\n");
  EXPECT_PRED2(Contains, OpenError(dir), "a Git LFS pointer, not the weights");
}

TEST(Checkpoint, AdoptsMissingTensors) {
  const TempDir quantized, original;
  WriteFile(quantized.path() / "model.safetensors", {"a"});
  WriteFile(original.path() / "model.safetensors", {"a", "x.Plora_A", "y"});
  Checkpoint checkpoint = Checkpoint::Open(quantized.path());
  {
    const Checkpoint other = Checkpoint::Open(original.path());
    const size_t adopted = checkpoint.AdoptMissing(other, [](std::string_view name) {
      return name == "y" ? std::string() : name == "a" ? "a" : "b." + std::string(name);
    });
    EXPECT_EQ(adopted, 1u);
  }
  EXPECT_EQ(checkpoint.names(), (std::vector<std::string_view>{"a", "b.x.Plora_A"}));
  EXPECT_EQ(checkpoint.FileOf("a").path().parent_path(), quantized.path());
  EXPECT_EQ(checkpoint.FileOf("b.x.Plora_A").path().parent_path(), original.path());
  EXPECT_EQ(ReadAsFloat(checkpoint.Get("b.x.Plora_A", {2, 3}), "x.Plora_A")[5], 6.0f);
}

}  // namespace
}  // namespace ixc

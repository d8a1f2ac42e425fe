#include <gtest/gtest.h>

#include <cmath>

#include "base/json.h"
#include "formats/checkpoint.h"
#include "formats/convert.h"
#include "unit/temp_dir.h"
#include "unit/torch_bin_builder.h"

namespace ixc {
namespace {

const std::filesystem::path kModels = std::filesystem::path(IXC_TEST_DATA) / "models";

TEST(ConvertCheckpoint, ShardsKeepEveryByteAndGetAnIndex) {
  const TempDir dir;
  const auto out = dir.path() / "out";
  const ConvertReport report = ConvertCheckpoint(kModels / "vl-b", out, {});
  EXPECT_EQ(report.files, (std::vector<std::string>{"model-00001-of-00002.safetensors",
                                                    "model-00002-of-00002.safetensors"}));
  const Checkpoint before = Checkpoint::Open(kModels / "vl-b");
  const Checkpoint after = Checkpoint::Open(out);
  EXPECT_EQ(after.names(), before.names());
  EXPECT_EQ(report.num_tensors, before.names().size());
  for (std::string_view name : before.names()) {
    const TensorView& expected = *before.Find(name);
    const TensorView& found = after.Get(name, expected.shape, expected.dtype);
    EXPECT_TRUE(std::equal(found.data, found.data + found.NumBytes(), expected.data)) << name;
  }
  const Json index = ReadJsonFile(out / "model.safetensors.index.json");
  EXPECT_EQ(index.at("metadata").at("total_size"), report.num_bytes);
  EXPECT_EQ(ReadAll(out / "config.json"), ReadAll(kModels / "vl-b" / "config.json"));
  EXPECT_TRUE(std::filesystem::exists(out / "tokenizer.model"));
}

TEST(ConvertCheckpoint, ChangesTheDTypeOfFloats) {
  const TempDir dir;
  const std::vector<float> values = {1.0f, 70000.0f, -0.1f, 2.0f, 3.0f, 4.0f};
  const std::string storage(reinterpret_cast<const char*>(values.data()), 24);
  dir.Write(
      "pytorch_model.bin",
      MakeTorchBin(PickleTensors({{.name = "a"}, {.name = "ids", .storage_type = "IntStorage"}}),
                   storage));
  dir.Write("config.json", R"({"z": 1, "torch_dtype": "float32"})");
  uint64_t progress = 0;
  const ConvertReport report = ConvertCheckpoint(
      dir.path(), dir.path(),
      {.dtype = DType::kF16, .on_progress = [&](uint64_t bytes) { progress = bytes; }});
  EXPECT_EQ(report.num_overflows, 1u);
  EXPECT_EQ(report.num_bytes, 12u + 24u);
  EXPECT_EQ(progress, 48u);
  const Checkpoint after = Checkpoint::Open(dir.path());  // safetensors is preferred
  const std::vector<float> found = ReadAsFloat(after.Get("a", {2, 3}, DType::kF16), "a");
  EXPECT_TRUE(std::isinf(found[1]));
  EXPECT_EQ(found[2], -0.0999755859375f);
  EXPECT_EQ(after.Get("ids", {2, 3}, DType::kI32).shape.size(), 2u);
  EXPECT_EQ(ReadJsonFile(dir.path() / "config.json").dump(), R"({"z":1,"torch_dtype":"float16"})");
}

TEST(ConvertCheckpoint, OverwritesOnlyWhenAllowed) {
  const TempDir dir;
  const auto existing = dir.Write("config.json", "{}");
  EXPECT_EQ(ErrorOf([&] { ConvertCheckpoint(kModels / "vl-a", dir.path(), {}); }),
            existing.string() + ": exists; remove it or allow overwriting");
  EXPECT_FALSE(std::filesystem::exists(dir.path() / "model.safetensors"));
  ConvertCheckpoint(kModels / "vl-a", dir.path(), {.overwrite = true});
  EXPECT_EQ(ReadAll(existing), ReadAll(kModels / "vl-a" / "config.json"));
}

}  // namespace
}  // namespace ixc

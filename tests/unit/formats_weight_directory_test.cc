#include <gtest/gtest.h>

#include "base/error.h"
#include "formats/safetensors.h"
#include "formats/weight_directory.h"
#include "unit/temp_dir.h"

namespace ixc {
namespace {

const std::filesystem::path kModels = std::filesystem::path(IXC_TEST_DATA) / "models";

// vl-a without its adapters of attention.wqkv, as quantization leaves it.
void WriteWithoutSomeAdapters(const TempDir& dir) {
  const Checkpoint original = Checkpoint::Open(kModels / "vl-a");
  std::vector<TensorSource> sources;
  for (std::string_view name : original.names()) {
    if (!Contains(name, "wqkv.Plora")) {
      sources.push_back(SourceOf(std::string(name), *original.Find(name)));
    }
  }
  WriteSafetensors(dir.path() / "quant_model_weight_w8a8.safetensors", std::move(sources));
  dir.Write("config.json", ReadAll(kModels / "vl-a" / "config.json"));
}

TEST(WeightDirectory, OpensACompleteDirectory) {
  const WeightDirectory hd = WeightDirectory::Open(kModels / "4khd-a");
  EXPECT_EQ(hd.kind, ModelKind::k4khd);
  EXPECT_EQ(hd.config.num_layers, 3);
  ASSERT_TRUE(hd.lora.has_value());
  EXPECT_EQ(hd.lora->Scale("attention.wqkv"), 2.0);
}

TEST(WeightDirectory, TakesMissingAdaptersFromTheNamedDirectory) {
  const TempDir dir;
  WriteWithoutSomeAdapters(dir);
  EXPECT_PRED2(Contains, ErrorOf([&] { WeightDirectory::Open(dir.path()); }),
               "tensor 'model.layers.0.attention.wqkv.Plora_A.weight' is missing");

  dir.Write("lora_adapter.json",
            fmt::format(R"({{"internlmxc2": "{}"}})", (kModels / "vl-a").string()));
  const WeightDirectory opened = WeightDirectory::Open(dir.path());
  const std::string name = "model.layers.1.attention.wqkv.Plora_B.weight";
  EXPECT_EQ(opened.kind, ModelKind::kVl);
  EXPECT_EQ(opened.lora->alpha, 16);
  EXPECT_EQ(opened.checkpoint.FileOf(name).path().parent_path(), kModels / "vl-a");
  EXPECT_EQ(opened.checkpoint.FileOf("output.weight").path().parent_path(), dir.path());
}

}  // namespace
}  // namespace ixc

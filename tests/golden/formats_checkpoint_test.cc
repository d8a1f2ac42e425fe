// Every tensor of the small reference checkpoints against hashes made by torch and the safetensors
// package (tests/data/make_tensor_digests.py): one safetensors file (vl-a), two .bin shards (vl-b),
// three safetensors shards (4khd-a).
#include <gtest/gtest.h>

#include "base/error.h"
#include "base/json.h"
#include "formats/checkpoint.h"
#include "formats/model_kind.h"

namespace ixc {
namespace {

const std::filesystem::path kData = IXC_TEST_DATA;

std::string Fnv1a(const TensorView& tensor) {
  uint64_t value = 0xCBF29CE484222325;
  for (size_t i = 0; i < tensor.NumBytes(); ++i) {
    value = (value ^ static_cast<uint64_t>(tensor.data[i])) * 0x100000001B3;
  }
  return fmt::format("{:016x}", value);
}

class CheckpointGolden : public testing::TestWithParam<std::string> {};

TEST_P(CheckpointGolden, HoldsEveryTensorToTheByte) {
  const Json digests = ReadJsonFile(kData / "tensor_digests.json");
  const Json& expected = digests.at(GetParam());
  const Checkpoint checkpoint = Checkpoint::Open(kData / "models" / GetParam());
  EXPECT_EQ(checkpoint.names().size(), expected.size());
  for (const auto& [name, digest] : expected.items()) {
    const TensorView* tensor = checkpoint.Find(name);
    ASSERT_NE(tensor, nullptr) << name;
    EXPECT_EQ(Name(tensor->dtype), digest[0].get<std::string>()) << name;
    EXPECT_EQ(tensor->shape, digest[1].get<std::vector<int64_t>>()) << name;
    EXPECT_EQ(Fnv1a(*tensor), digest[2].get<std::string>()) << name;
  }
}

TEST(ModelKindGolden, OfTheReferenceCheckpoints) {
  for (const auto& [name, kind] :
       {std::pair("vl-a", ModelKind::kVl), std::pair("vl-b", ModelKind::kVl),
        std::pair("4khd-a", ModelKind::k4khd)}) {
    const std::filesystem::path directory = kData / "models" / name;
    const ModelConfig config = ReadModelConfig(directory);
    EXPECT_EQ(DetectModelKind(config, Checkpoint::Open(directory)), kind) << name;
    EXPECT_EQ(ReadGenerationConfig(directory).max_length, kind == ModelKind::kVl ? 1600 : 4480);
    const auto lora = ReadLoraConfig(directory);
    for (const char* linear : {"attention.wqkv", "attention.wo", "feed_forward.w2"}) {
      EXPECT_EQ(LoraScale(kind, lora, linear), LoraScale(kind, std::nullopt, linear)) << linear;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Models, CheckpointGolden, testing::Values("vl-a", "vl-b", "4khd-a"));

}  // namespace
}  // namespace ixc

#include <gtest/gtest.h>

#include <limits>

#include "formats/safetensors.h"
#include "formats/verify.h"
#include "unit/temp_dir.h"
#include "unit/torch_bin_builder.h"

namespace ixc {
namespace {

TEST(FindDefects, NamesValuesThatCannotBe) {
  const float good[] = {0.0f, 1.0f, -2.0f, 3.0f};
  const float bad[] = {0.0f, std::numeric_limits<float>::infinity(), 1.0f,
                       std::numeric_limits<float>::quiet_NaN()};
  const uint16_t half_infinity[] = {0x3c00, 0x7c00};
  const float zeros[4] = {};
  const auto source = [](const char* name, DType dtype, std::vector<int64_t> shape,
                         const void* data) {
    return SourceOf(name, {dtype, std::move(shape), static_cast<const std::byte*>(data)});
  };
  const TempDir dir;
  WriteSafetensors(
      dir.path() / "model.safetensors",
      {source("good", DType::kF32, {2, 2}, good), source("bad", DType::kF32, {4}, bad),
       source("half", DType::kF16, {2}, half_infinity), source("hole", DType::kF32, {2, 2}, zeros),
       source("bias", DType::kF32, {4}, zeros), source("offset", DType::kF32, {4, 1}, zeros),
       source("x.Plora_B.weight", DType::kF32, {2, 2}, zeros)});
  uint64_t bytes = 0;
  const auto defects =
      FindDefects(Checkpoint::Open(dir.path()), [&](uint64_t read) { bytes = read; });
  const std::string file = (dir.path() / "model.safetensors").string();
  EXPECT_EQ(defects,
            (std::vector<std::string>{
                file + ": tensor 'bad': 2 of 4 values are not finite, the first is number 1",
                file + ": tensor 'hole': is zero throughout",
                file + ": tensor 'half': 1 of 2 values are not finite, the first is number "
                       "1"}));
  EXPECT_EQ(bytes, 6 * 16u + 4u);
}

TEST(FindDefects, ComparesTheChecksumsOfBinFiles) {
  const TempDir dir;
  std::string file = MakeTorchBin(PickleTensors({{}}), std::string(24, '\x11'));
  dir.Write("pytorch_model.bin", file);
  EXPECT_TRUE(FindDefects(Checkpoint::Open(dir.path())).empty());
  file[file.find(std::string(24, '\x11'))] = '\x12';
  const auto path = dir.Write("pytorch_model.bin", file);
  EXPECT_EQ(FindDefects(Checkpoint::Open(dir.path())),
            std::vector<std::string>{path.string() +
                                     ": 'm/data/0' does not have its checksum; download it again"});
}

}  // namespace
}  // namespace ixc

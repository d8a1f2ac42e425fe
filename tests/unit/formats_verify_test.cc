#include <gtest/gtest.h>

#include <limits>

#include "formats/safetensors.h"
#include "formats/verify.h"
#include "unit/temp_dir.h"
#include "unit/torch_bin_builder.h"

namespace ixc {
namespace {

TEST(VerifyValues, NamesValuesThatCannotBe) {
  const float good[] = {0.0f, 1.0f, -2.0f, 3.0f};
  const float bad[] = {0.0f, std::numeric_limits<float>::infinity(), 1.0f,
                       std::numeric_limits<float>::quiet_NaN()};
  const uint16_t half_infinity[] = {0x3c00, 0xfc00};
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
  const TensorFile file(dir.path() / "model.safetensors");
  const auto findings = VerifyValues(file, [&](uint64_t read) { bytes = read; });
  std::vector<std::string> lines;
  for (const Finding& finding : findings) {
    EXPECT_TRUE(finding.is_error);
    EXPECT_PRED2(Contains, finding.advice, "download the file again");
    lines.push_back(finding.where.substr(finding.where.find("tensor '")) + ": " + finding.problem);
  }
  EXPECT_EQ(lines, (std::vector<std::string>{
                       "tensor 'bad': 2 of 4 values are not finite (1 NaN, 1 +inf, 0 -inf), the "
                       "first is number 1",
                       "tensor 'hole': is zero throughout",
                       "tensor 'half': 1 of 2 values are not finite (0 NaN, 0 +inf, 1 -inf), the "
                       "first is number 1"}));
  EXPECT_EQ(bytes, 6 * 16u + 4u);
}

TEST(VerifyValues, ComparesTheChecksumsOfBinFiles) {
  const TempDir dir;
  std::string file = MakeTorchBin(PickleTensors({{}}), std::string(24, '\x11'));
  auto path = dir.Write("pytorch_model.bin", file);
  EXPECT_TRUE(VerifyValues(TensorFile(path)).empty());
  file[file.find(std::string(24, '\x11'))] = '\x12';
  path = dir.Write("pytorch_model.bin", file);
  const auto findings = VerifyValues(TensorFile(path));
  ASSERT_EQ(findings.size(), 1u);
  EXPECT_EQ(findings[0].where, path.string());
  EXPECT_EQ(findings[0].problem, "'m/data/0' does not have its checksum");
}

}  // namespace
}  // namespace ixc

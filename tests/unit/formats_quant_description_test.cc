#include <gtest/gtest.h>

#include "base/atomic_directory.h"
#include "formats/quant_description.h"
#include "unit/temp_dir.h"

namespace ixc {
namespace {

TEST(QuantDescription, BothSpellings) {
  const QuantDescription newer = ParseQuantDescription(
      R"({"version": "1.0.0", "model_quant_type": "W8A8S", "kv_quant_type": null,
          "a.weight": "W8A8S", "b.weight": "FLOAT"})",
      "x", "");
  EXPECT_EQ(newer.version, "1.0.0");
  EXPECT_EQ(newer.type, "w8a8s");
  EXPECT_EQ(newer.TagOf("a.weight"), "W8A8S");
  EXPECT_EQ(newer.TagOf("b.weight"), "FLOAT");
  EXPECT_EQ(newer.TagOf("c.weight"), "FLOAT");

  const QuantDescription older = ParseQuantDescription(R"({"a.weight": "W8A8"})", "x", "w8a8");
  EXPECT_EQ(older.version, "0.0.0");
  EXPECT_EQ(older.type, "w8a8");
}

TEST(QuantDescription, FilesOfADirectory) {
  const TempDir dir;
  EXPECT_FALSE(ReadQuantDescription(dir.path(), dir.path()));
  dir.Write("quant_model_description_w8a8.json", R"({"model_quant_type": "W8A8"})");
  EXPECT_EQ(ReadQuantDescription(dir.path(), dir.path())->type, "w8a8");
  dir.Write("config.json", R"({"quantize": "w8a8s"})");
  EXPECT_EQ(ReadQuantDescription(dir.path(), dir.path())->type, "w8a8s");
  dir.Write("config.json", "{}");
  dir.Write("quant_model_description.json", R"({"model_quant_type": "W8A8S", "version": "1.0.0"})");
  EXPECT_EQ(ReadQuantDescription(dir.path(), dir.path())->type, "w8a8s")
      << "the one without a suffix wins";
}

TEST(QuantDescription, Refusals) {
  EXPECT_PRED2(Contains, ErrorOf([] { ParseQuantDescription("{}", "f.json", ""); }),
               "f.json: neither model_quant_type");
  EXPECT_PRED2(Contains, ErrorOf([] { ParseQuantDescription("{}", "f.json", "w4a16"); }),
               "'w4a16'");
  EXPECT_PRED2(Contains, ErrorOf([] {
                 ParseQuantDescription(R"({"model_quant_type": "W8A8", "a": 3})", "f.json", "");
               }),
               "field 'a'");
  EXPECT_PRED2(Contains, ErrorOf([] {
                 ParseQuantDescription(R"({"model_quant_type": "W4", "group_size": -1})", "f", "");
               }),
               "group_size");
}

TEST(AtomicDirectory, AppearsWholeOrNotAtAll) {
  const TempDir dir;
  const auto target = dir.path() / "out";
  const auto entries = [&] {
    return std::distance(std::filesystem::directory_iterator(dir.path()), {});
  };
  {
    const AtomicDirectory directory(target);
    std::ofstream(directory.temporary() / "file") << "x";
    EXPECT_FALSE(std::filesystem::exists(target));
  }
  EXPECT_EQ(entries(), 0);
  AtomicDirectory directory(target);
  std::ofstream(directory.temporary() / "file") << "x";
  directory.Commit();
  EXPECT_EQ(ReadAll(target / "file"), "x");
  EXPECT_EQ(entries(), 1);
  EXPECT_PRED2(Contains, ErrorOf([&] { AtomicDirectory again(target); }), "exists");
}

}  // namespace
}  // namespace ixc

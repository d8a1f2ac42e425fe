#include <gtest/gtest.h>

#include <cmath>

#include "base/json.h"
#include "formats/checkpoint.h"
#include "formats/convert.h"
#include "formats/convert_plan.h"
#include "formats/safetensors.h"
#include "formats/staging_directory.h"
#include "unit/temp_dir.h"
#include "unit/torch_bin_builder.h"

namespace ixc {
namespace {

namespace fs = std::filesystem;

const fs::path kModels = fs::path(IXC_TEST_DATA) / "models";

void ExpectSameTensors(const fs::path& found_dir, const fs::path& expected_dir) {
  const Checkpoint expected = Checkpoint::Open(expected_dir);
  const Checkpoint found = Checkpoint::Open(found_dir);
  EXPECT_EQ(found.names(), expected.names());
  for (std::string_view name : expected.names()) {
    const TensorView& wanted = *expected.Find(name);
    const TensorView& tensor = found.Get(name, wanted.shape, wanted.dtype);
    EXPECT_TRUE(std::equal(tensor.data, tensor.data + tensor.NumBytes(), wanted.data)) << name;
  }
}

// Names and contents of all files, hidden ones included.
std::map<std::string, std::string> Snapshot(const fs::path& dir) {
  std::map<std::string, std::string> files;
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(dir)) {
    if (entry.is_regular_file()) {
      files[fs::relative(entry.path(), dir).string()] = ReadAll(entry.path());
    }
  }
  return files;
}

TEST(ConvertPlan, NamesFilesAsTheOriginalToolSet) {
  const std::pair<const char*, const char*> names[] = {
      {"pytorch_model.bin", "model.safetensors"},
      {"pytorch_model-00001-of-00002.bin", "model-00001-of-00002.safetensors"},
      {"open_clip_pytorch_model.bin", "en_clip_pytorch_model.safetensors"},
      {"model.bin", "model.safetensors"},
      {"torch.bin", "model.safetensors"},
      {"pytorch_model-00001-of-00002.safetensors", "pytorch_model-00001-of-00002.safetensors"},
  };
  for (const auto& [file, expected] : names) EXPECT_EQ(SafetensorsName(file), expected);
}

class ConvertModel : public ::testing::TestWithParam<const char*> {};

TEST_P(ConvertModel, RoundTripsAreByteEqualInBothDirections) {
  const TempDir dir;
  const fs::path source = kModels / GetParam();
  const Checkpoint original = Checkpoint::Open(source);
  const DType stored = original.Find("output.weight")->dtype;
  const ConvertReport same = ConvertCheckpoint(source, dir.path() / "same", {});
  ExpectSameTensors(dir.path() / "same", source);
  EXPECT_EQ(same.num_tensors, original.names().size());
  EXPECT_EQ(ReadAll(dir.path() / "same" / "config.json"), ReadAll(source / "config.json"));
  EXPECT_TRUE(fs::exists(dir.path() / "same" / "tokenizer.model"));
  EXPECT_FALSE(fs::exists(dir.path() / "same" / ".ixc-convert"));

  const ConvertReport wide = ConvertCheckpoint(source, dir.path() / "wide", {.dtype = DType::kF32});
  EXPECT_EQ(wide.num_bytes, 2 * same.num_bytes);
  const ConvertReport narrow =
      ConvertCheckpoint(dir.path() / "wide", dir.path() / "narrow", {.dtype = stored});
  EXPECT_EQ(narrow.num_overflows, 0u);
  ExpectSameTensors(dir.path() / "narrow", source);
  // The files themselves are the same, too.
  for (const std::string& file : same.files) {
    EXPECT_TRUE(ReadAll(dir.path() / "narrow" / file) == ReadAll(dir.path() / "same" / file));
  }
  if (fs::exists(source / same.files[0])) {
    EXPECT_TRUE(ReadAll(source / same.files[0]) == ReadAll(dir.path() / "same" / same.files[0]));
  }
}

INSTANTIATE_TEST_SUITE_P(All, ConvertModel, ::testing::Values("vl-a", "vl-b", "4khd-a"));

TEST(ConvertCheckpoint, BinShardsGetNamesAndAnIndex) {
  const TempDir dir;
  const ConvertReport report = ConvertCheckpoint(kModels / "vl-b", dir.path(), {});
  EXPECT_EQ(report.files, (std::vector<std::string>{"model-00001-of-00002.safetensors",
                                                    "model-00002-of-00002.safetensors"}));
  const Json index = ReadJsonFile(dir.path() / "model.safetensors.index.json");
  EXPECT_EQ(index.at("metadata").at("total_size"), report.num_bytes);
  EXPECT_EQ(index.at("weight_map").size(), report.num_tensors);
}

TEST(ConvertCheckpoint, ShardsOfAGivenSize) {
  const TempDir dir;
  constexpr uint64_t kMost = 500'000;
  const auto report =
      ConvertCheckpoint(kModels / "vl-a", dir.path() / "parts", {.max_shard_bytes = kMost});
  ASSERT_GE(report.files.size(), 7u);
  ASSERT_LE(report.files.size(), 10u);
  EXPECT_EQ(report.files[2], fmt::format("model-00003-of-{:05}.safetensors", report.files.size()));
  for (const std::string& name : report.files) {
    uint64_t bytes = 0;
    const TensorFile file(dir.path() / "parts" / name);
    for (const NamedTensor& tensor : file.contents().tensors) bytes += tensor.view.NumBytes();
    EXPECT_LE(bytes, kMost);
    EXPECT_GT(bytes, 0u);
  }
  EXPECT_TRUE(fs::exists(dir.path() / "parts" / "model.safetensors.index.json"));
  ExpectSameTensors(dir.path() / "parts", kModels / "vl-a");

  // Back into one, which needs no index and is the original file.
  ConvertCheckpoint(dir.path() / "parts", dir.path() / "one", {.max_shard_bytes = 1 << 30});
  EXPECT_TRUE(ReadAll(dir.path() / "one" / "model.safetensors") ==
              ReadAll(kModels / "vl-a" / "model.safetensors"));
  EXPECT_FALSE(fs::exists(dir.path() / "one" / "model.safetensors.index.json"));

  // A tensor that is larger than a file may be gets one of its own.
  const auto tiny =
      ConvertCheckpoint(kModels / "vl-a", dir.path() / "tiny", {.max_shard_bytes = 1});
  EXPECT_EQ(tiny.files.size(), tiny.num_tensors);
}

TEST(ConvertCheckpoint, SharedTensorsAreWrittenOnce) {
  const TempDir dir;
  const std::vector<float> values = {1, 2, 3, 4, 5, 6};
  const std::string storage(reinterpret_cast<const char*>(values.data()), 24);
  dir.Write("pytorch_model.bin",
            MakeTorchBin(PickleTensors({{.name = "z"},
                                        {.name = "head"},
                                        {.name = "row", .offset = 3, .shape = {3}, .strides = {1}},
                                        {.name = "flat", .shape = {6}, .strides = {1}},
                                        {.name = "t", .shape = {3, 2}, .strides = {1, 3}}}),
                         storage));
  const ConvertReport report = ConvertCheckpoint(dir.path(), dir.path(), {});
  EXPECT_EQ(report.num_tensors, 4u);
  const TensorFile file(dir.path() / "model.safetensors");
  EXPECT_EQ(file.contents().metadata,
            (std::map<std::string, std::string>{{"format", "pt"}, {"z", "head"}}));
  const Checkpoint after = Checkpoint::Open(dir.path());
  EXPECT_EQ(after.names(), (std::vector<std::string_view>{"flat", "head", "row", "t", "z"}));
  EXPECT_EQ(ReadAsFloat(after.Get("z", {2, 3}), "z"), values);
  EXPECT_EQ(ReadAsFloat(after.Get("row", {3}), "row"), (std::vector<float>{4, 5, 6}));
  EXPECT_EQ(ReadAsFloat(after.Get("t", {3, 2}), "t"), (std::vector<float>{1, 4, 2, 5, 3, 6}));
  // Converted again, nothing changes.
  ConvertCheckpoint(dir.path(), dir.path() / "again", {});
  EXPECT_TRUE(ReadAll(dir.path() / "again" / "model.safetensors") ==
              ReadAll(dir.path() / "model.safetensors"));
}

TEST(ConvertCheckpoint, ChangesTheDTypeOfFloats) {
  const TempDir dir;
  const std::vector<float> values = {1.0f, 70000.0f, -0.1f, 2.0f, 3.0f, 4.0f};
  const std::string storage(reinterpret_cast<const char*>(values.data()), 24);
  const std::string pickle = PickleTensors({{.name = "a"},
                                            {.name = "d",
                                             .storage_type = "DoubleStorage",
                                             .storage_elements = 3,
                                             .shape = {3},
                                             .strides = {1}},
                                            {.name = "ids", .storage_type = "IntStorage"}});
  dir.Write("pytorch_model.bin", MakeTorchBin(pickle, storage));
  dir.Write("config.json", R"({"z": 1, "torch_dtype": "float32"})");
  double progress = 0;
  const ConvertReport report = ConvertCheckpoint(
      dir.path(), dir.path(), {.dtype = DType::kF16, .on_progress = [&](double s) {
                                 EXPECT_GE(s, progress);
                                 progress = s;
                               }});
  EXPECT_GE(report.num_overflows, 1u);
  EXPECT_EQ(report.num_bytes, 12u + 6u + 24u);
  EXPECT_EQ(progress, 1.0);
  const Checkpoint after = Checkpoint::Open(dir.path());  // safetensors is preferred
  const std::vector<float> found = ReadAsFloat(after.Get("a", {2, 3}, DType::kF16), "a");
  EXPECT_TRUE(std::isinf(found[1]));
  EXPECT_EQ(found[2], -0.0999755859375f);
  EXPECT_EQ(after.Get("d", {3}, DType::kF16).shape.size(), 1u);
  EXPECT_EQ(after.Get("ids", {2, 3}, DType::kI32).shape.size(), 2u);
  EXPECT_EQ(ReadJsonFile(dir.path() / "config.json").dump(), R"({"z":1,"torch_dtype":"float16"})");
}

TEST(ConvertCheckpoint, RefusesBeforeTheFirstByte) {
  const TempDir dir;
  const auto existing = dir.Write("config.json", "{}");
  EXPECT_EQ(ErrorOf([&] { ConvertCheckpoint(kModels / "vl-a", dir.path(), {}); }),
            existing.string() + ": exists; remove it or allow overwriting with --overwrite");
  ConvertCheckpoint(kModels / "vl-a", dir.path(), {.overwrite = true});
  EXPECT_EQ(ReadAll(existing), ReadAll(kModels / "vl-a" / "config.json"));

  // Another model's files in the same directory would make a mixture.
  EXPECT_PRED2(Contains, ErrorOf([&] {
                 ConvertCheckpoint(kModels / "vl-b", dir.path(), {.overwrite = true});
               }),
               "holds weights of its own, 'model.safetensors'");
  EXPECT_PRED2(Contains,
               ErrorOf([&] { ConvertCheckpoint(dir.path(), dir.path(), {.overwrite = true}); }),
               "its own 'model.safetensors' would be overwritten");
  EXPECT_FALSE(fs::exists(dir.path() / ".ixc-convert"));
  EXPECT_NE(ErrorOf([&] { ConvertCheckpoint(dir.path() / "none", dir.path() / "new", {}); }),
            "no error");
  EXPECT_FALSE(fs::exists(dir.path() / "new"));
}

// Stops at every tenth of the work; each time nothing looks finished, and the next run goes on.
TEST(ConvertCheckpoint, GoesOnWhereItWasStopped) {
  const TempDir dir;
  const ConvertOptions options{.dtype = DType::kF32};
  ConvertCheckpoint(kModels / "4khd-a", dir.path() / "whole", options);
  const auto expected = Snapshot(dir.path() / "whole");
  const auto out = dir.path() / "out";
  ConvertReport report;
  int stops = 0;
  for (double stop_at = 0.1; stop_at < 2.0; stop_at += 0.1) {
    ConvertOptions stopping = options;
    stopping.on_progress = [&](double share) {
      if (share > stop_at) throw Error("stopped");
    };
    const std::string error =
        ErrorOf([&] { report = ConvertCheckpoint(kModels / "4khd-a", out, stopping); });
    if (error == "no error") break;
    ++stops;
    EXPECT_EQ(error, "stopped");
    EXPECT_FALSE(fs::exists(out / "config.json"));
    EXPECT_PRED2(Contains, ErrorOf([&] { Checkpoint::Open(out); }), "no weights");
    EXPECT_TRUE(StagingDirectory::IsUnfinished(out));
  }
  EXPECT_GE(stops, 8);
  EXPECT_GT(report.num_kept_bytes, 0u);
  EXPECT_TRUE(Snapshot(out) == expected);
}

TEST(ConvertCheckpoint, TrustsNothingThatAnEarlierRunLeft) {
  const TempDir dir;
  ConvertCheckpoint(kModels / "4khd-a", dir.path() / "whole", {});
  const auto expected = Snapshot(dir.path() / "whole");
  const auto out = dir.path() / "out";
  fs::create_directories(out / ".ixc-convert" / "folder");
  std::string damaged = expected.at("model-00002-of-00003.safetensors");
  damaged[damaged.size() / 2] ^= 1;
  std::ofstream(out / ".ixc-convert" / "model-00002-of-00003.safetensors", std::ios::binary)
      << damaged;
  std::ofstream(out / ".ixc-convert" / "config.json") << "{}";
  std::ofstream(out / ".ixc-convert" / "model-00009-of-00009.safetensors") << "of another run";
  ConvertCheckpoint(kModels / "4khd-a", out, {});
  EXPECT_TRUE(Snapshot(out) == expected);
}

TEST(StagingDirectory, FinishesAMoveThatWasKilled) {
  const TempDir dir;
  const auto staging = dir.path() / ".ixc-convert";
  fs::create_directory(staging);
  EXPECT_FALSE(StagingDirectory::IsUnfinished(dir.path()));
  dir.Write("a", "new a");  // moved already
  dir.Write("b", "old b");
  std::ofstream(staging / "b") << "new b";
  std::ofstream(staging / "publish.json")
      << R"({"version": 1, "note": "what it was", "files": ["a", "b"]})";
  EXPECT_TRUE(StagingDirectory::IsUnfinished(dir.path()));
  EXPECT_EQ(StagingDirectory::PendingNote(dir.path()), "what it was");
  StagingDirectory(dir.path()).ResumePublishing();
  EXPECT_EQ(Snapshot(dir.path()),
            (std::map<std::string, std::string>{{"a", "new a"}, {"b", "new b"}}));
  EXPECT_FALSE(fs::exists(staging));
}

TEST(StagingDirectory, KeepsOthersOut) {
  const TempDir dir;
  {
    const StagingDirectory first(dir.path() / "out");
    EXPECT_PRED2(Contains, ErrorOf([&] { StagingDirectory{dir.path() / "out"}; }),
                 "another conversion is writing into this directory");
  }
  EXPECT_FALSE(fs::exists(dir.path() / "out"));  // nothing was staged
}

TEST(ConvertCheckpoint, AnotherConversionDoesNotFinishAPendingOne) {
  const TempDir dir;
  const auto staging = dir.path() / ".ixc-convert";
  fs::create_directory(staging);
  Json note = {
      {"source", "/elsewhere"}, {"dtype", ""}, {"max_shard_bytes", 0}, {"inputs", Json::object()}};
  const Json journal = {{"version", 1}, {"note", note.dump()}, {"files", Json::array()}};
  std::ofstream(staging / "publish.json") << journal.dump();
  EXPECT_PRED2(Contains, ErrorOf([&] { ConvertCheckpoint(kModels / "vl-a", dir.path(), {}); }),
               "the conversion of '/elsewhere' into this directory was interrupted");
}

}  // namespace
}  // namespace ixc

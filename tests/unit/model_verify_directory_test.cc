#include <gtest/gtest.h>

#include <functional>
#include <limits>

#include "base/json.h"
#include "formats/safetensors.h"
#include "formats/sha256.h"
#include "model/verify_directory.h"
#include "unit/temp_dir.h"

namespace ixc {
namespace {

namespace fs = std::filesystem;

const fs::path kModels = fs::path(IXC_TEST_DATA) / "models";

// A copy of a model that a test may spoil.
class Copy {
 public:
  explicit Copy(const char* model) {
    for (const fs::directory_entry& entry : fs::directory_iterator(kModels / model)) {
      fs::copy_file(entry.path(), path() / entry.path().filename());
    }
  }
  const fs::path& path() const { return dir_.path(); }
  void Write(const std::string& name, std::string_view text) const { dir_.Write(name, text); }

  void ChangeJson(const std::string& name, const std::string& patch) const {
    Json json = ReadJsonFile(path() / name);
    json.merge_patch(ParseJson(patch, "test"));
    Write(name, json.dump());
  }

  // Rewrites a safetensors file with every tensor as `change` leaves it; false leaves it out.
  struct Owned {
    std::string name;
    DType dtype;
    std::vector<int64_t> shape;
    std::string bytes;
  };
  void ChangeTensors(const std::string& name, const std::function<bool(Owned&)>& change) const {
    std::vector<Owned> tensors;
    {
      const TensorFile file(path() / name);
      for (const NamedTensor& tensor : file.contents().tensors) {
        const TensorView& view = tensor.view;
        Owned owned{tensor.name,
                    view.dtype,
                    view.shape,
                    {reinterpret_cast<const char*>(view.data), view.NumBytes()}};
        if (change(owned)) tensors.push_back(std::move(owned));
      }
    }
    std::vector<TensorSource> sources;
    for (const Owned& tensor : tensors) {
      sources.push_back(SourceOf(
          tensor.name,
          {tensor.dtype, tensor.shape, reinterpret_cast<const std::byte*>(tensor.bytes.data())}));
    }
    WriteSafetensors(path() / name, std::move(sources));
  }

 private:
  TempDir dir_;
};

std::vector<std::string> Lines(const VerifyReport& report, const fs::path& directory) {
  std::vector<std::string> lines;
  for (const Finding& finding : report.findings) {
    std::string where = finding.where;
    if (where.starts_with(directory.string() + "/"))
      where = where.substr(directory.string().size() + 1);
    if (where == directory.string()) where = ".";
    lines.push_back(fmt::format("{}{}: {}; {}", finding.is_error ? "" : "warning: ", where,
                                finding.problem, finding.advice));
  }
  return lines;
}

std::vector<std::string> Verify(const fs::path& directory, const VerifyOptions& options = {}) {
  return Lines(VerifyDirectory(directory, options), directory);
}

using Strings = std::vector<std::string>;

TEST(VerifyDirectory, GoodOnesHaveNoFindings) {
  const std::pair<const char*, const char*> models[] = {
      {"vl-a", "VL"}, {"vl-b", "VL"}, {"4khd-a", "4KHD"}};
  for (const auto& [model, kind] : models) {
    VerifyOptions options;
    double progress = 0;
    options.on_progress = [&](double share) { progress = share; };
    const VerifyReport report = VerifyDirectory(kModels / model, options);
    EXPECT_EQ(Lines(report, kModels / model), Strings{}) << model;
    EXPECT_EQ(report.kind, kind);
    EXPECT_EQ(report.num_tensors, Checkpoint::Open(kModels / model).names().size());
    EXPECT_GT(progress, 0.9);
  }
}

TEST(VerifyDirectory, FilesAndIndex) {
  const Copy copy("4khd-a");
  fs::remove(copy.path() / "model-00002-of-00003.safetensors");
  const std::string first = ReadAll(copy.path() / "model-00001-of-00003.safetensors");
  copy.Write("model-00001-of-00003.safetensors", first.substr(0, first.size() - 1000));
  copy.ChangeJson("model.safetensors.index.json",
                  R"({"weight_map": {"extra": "model-00003-of-00003.safetensors",
                                     "output.weight": null}})");
  const Strings lines = Verify(copy.path());
  ASSERT_EQ(lines.size(), 4u) << fmt::format("{}", lines.size());
  EXPECT_PRED2(Contains, lines[0], "model-00002-of-00003.safetensors: is missing; the index has ");
  EXPECT_PRED2(Contains, lines[0], "the download is incomplete: fetch this file");
  EXPECT_PRED2(Contains, lines[1], "model-00001-of-00003.safetensors: tensor '");
  EXPECT_PRED2(Contains, lines[1],
               fmt::format("the file has {}; download this file again", first.size() - 1000));
  EXPECT_EQ(
      lines[2],
      "model-00003-of-00003.safetensors: tensor 'extra' is in the index and not in this file; "
      "download the index and the file again");
  EXPECT_PRED2(Contains, lines[3], "tensor 'output.weight' is not in the index");
}

TEST(VerifyDirectory, TensorsAndValues) {
  const Copy copy("vl-a");
  copy.ChangeTensors("model.safetensors", [](Copy::Owned& tensor) {
    if (tensor.name == "model.norm.weight") return false;
    if (tensor.name == "output.weight") tensor.bytes.assign(tensor.bytes.size(), '\0');
    if (tensor.name == "vision_proj.2.bias") tensor.dtype = DType::kI16;
    if (tensor.name == "vision_proj.0.bias") {
      tensor.bytes.replace(0, 6, std::string("\x00\x7c\x00\xfc\x01\x7e", 6));
    }
    if (tensor.name == "model.layers.1.ffn_norm.weight") tensor.shape = {2, 64};
    return true;
  });
  const Strings lines = Verify(copy.path());
  EXPECT_EQ(
      lines,
      (Strings{
          ".: tensor 'model.layers.1.ffn_norm.weight' wanted F32, F16 or BF16 [128], found F16 [2, "
          "64]; config.json and weights are of different models: take both from one",
          ".: tensor 'model.norm.weight' is missing; the download is incomplete, or it is another "
          "model",
          ".: tensor 'vision_proj.2.bias' wanted F32, F16 or BF16 [128], found I16 [128]; "
          "config.json and weights are of different models: take both from one",
          "model.safetensors: tensor 'output.weight': is zero throughout; download the file again",
          "model.safetensors: tensor 'vision_proj.0.bias': 3 of 128 values are not finite (1 NaN, "
          "1 "
          "+inf, 1 -inf), the first is number 0; download the file again, or convert it again from "
          "float32 or bfloat16"}));
}

TEST(VerifyDirectory, ManyOfAKindAreCounted) {
  const Copy copy("vl-a");
  copy.ChangeTensors("model.safetensors", [](Copy::Owned& tensor) {
    return !Contains(tensor.name, "encoder.layers.1.") &&
           !Contains(tensor.name, "encoder.layers.2.");
  });
  const Strings lines = Verify(copy.path());
  // 16 tensors of each layer, and before them what opening the directory says.
  ASSERT_EQ(lines.size(), 22u);
  EXPECT_PRED2(Contains, lines[0], ".: the wrong vision tower: 1 layers of width 128");
  EXPECT_PRED2(Contains, lines[1], "tensor 'vit.vision_tower.vision_model.encoder.layers.1.");
  EXPECT_PRED2(Contains, lines[21], ".: 12 more like these; the download is incomplete");
}

TEST(VerifyDirectory, Configuration) {
  const Copy copy("vl-a");
  copy.ChangeJson("generation_config.json", R"({"max_length": 4480})");
  EXPECT_EQ(Verify(copy.path()),
            (Strings{"warning: generation_config.json: max_length 4480 is that of the other model; "
                     "this one is VL; take the model's own file"}));
  copy.ChangeJson("generation_config.json", R"({"max_length": -1})");
  copy.ChangeJson("adapter_config.json", R"({"r": 100000})");
  copy.ChangeJson("config.json", R"({"num_hidden_layers": 100000})");
  const Strings lines = Verify(copy.path());
  ASSERT_EQ(lines.size(), 3u);
  EXPECT_PRED2(Contains, lines[0],
               "config.json: field 'num_hidden_layers' wanted an integer in 1..1024, found 100000; "
               "take the model's own config.json");
  EXPECT_PRED2(Contains, lines[1], "generation_config.json: field 'max_length'");
  EXPECT_PRED2(Contains, lines[2], "adapter_config.json: field 'r' wanted an integer in 1..1024");
}

TEST(VerifyDirectory, Tokenizer) {
  const Copy copy("vl-a");
  const int64_t vocabulary = ReadModelConfig(copy.path()).vocab_size;
  copy.ChangeJson("config.json", fmt::format(R"({{"vocab_size": {}}})", vocabulary - 8));
  Strings lines = Verify(copy.path());
  const auto has = [&](const std::string& part) {
    return std::any_of(lines.begin(), lines.end(),
                       [&](const std::string& line) { return Contains(line, part); });
  };
  EXPECT_TRUE(
      has(fmt::format("tokenizer.model: has {} pieces, config.json says vocab_size {}; take "
                      "the model's own tokenizer.model",
                      vocabulary, vocabulary - 8)));
  copy.Write("tokenizer.model", "no tokenizer");
  lines = Verify(copy.path());
  EXPECT_TRUE(has("tokenizer.model: "));
  fs::remove(copy.path() / "tokenizer.model");
  lines = Verify(copy.path());
  EXPECT_TRUE(has("tokenizer.model: cannot be opened: No such file"));
}

TEST(VerifyDirectory, SignalsThatDisagree) {
  const Copy copy("4khd-a");
  copy.ChangeTensors("model-00001-of-00003.safetensors",
                     [](Copy::Owned& tensor) { return tensor.name != "plora_glb_GN"; });
  copy.ChangeJson("model.safetensors.index.json", R"({"weight_map": {"plora_glb_GN": null}})");
  const Strings lines = Verify(copy.path());
  ASSERT_FALSE(lines.empty());
  EXPECT_PRED2(Contains, lines[0],
               "the tensors disagree; plora_glb_GN absent, plora_sub_GN present");
}

TEST(VerifyDirectory, Checksums) {
  const Copy copy("vl-a");
  const std::string weights = ReadAll(copy.path() / "model.safetensors");
  const std::string config = ReadAll(copy.path() / "config.json");
  const auto hash = [](const std::string& text) { return Sha256(std::as_bytes(std::span(text))); };
  const TempDir lists;
  VerifyOptions options;
  options.sha256_list =
      lists.Write("good", fmt::format("# sums\n{}  model.safetensors\r\n\n{} *./config.json\n",
                                      hash(weights), hash(config)));
  const VerifyReport report = VerifyDirectory(copy.path(), options);
  EXPECT_EQ(Lines(report, copy.path()), Strings{});
  EXPECT_EQ(report.num_checksums, 2u);

  options.sha256_list = lists.Write(
      "bad", fmt::format("{}  config.json\n{}  gone.bin\n", hash(weights), hash(config)));
  EXPECT_EQ(Verify(copy.path(), options),
            (Strings{fmt::format("config.json: sha256 is {}, bad says {}; download this file again",
                                 hash(config), hash(weights)),
                     "gone.bin: cannot be opened: No such file or directory; download this file"}));
  options.sha256_list = lists.Write("broken", "abc  config.json\n");
  EXPECT_PRED2(Contains, ErrorOf([&] { VerifyDirectory(copy.path(), options); }),
               "line 1 wanted 64 hexadecimal digits and a file name");

  // Hugging Face's cache: links to files that are named by their checksum.
  const fs::path blobs = lists.path() / "blobs";
  fs::create_directory(blobs);
  fs::rename(copy.path() / "model.safetensors", blobs / hash(config));
  fs::create_symlink(blobs / hash(config), copy.path() / "model.safetensors");
  EXPECT_EQ(Verify(copy.path()),
            (Strings{fmt::format("model.safetensors: sha256 is {}, the Hugging Face cache says {}; "
                                 "download this file again",
                                 hash(weights), hash(config))}));
}

TEST(VerifyDirectory, WhatIsNoDirectory) {
  const TempDir dir;
  EXPECT_PRED2(Contains, ErrorOf([&] { VerifyDirectory(dir.path() / "none", {}); }),
               "wanted a model directory, found nothing");
  const Strings lines = Verify(dir.path());
  ASSERT_EQ(lines.size(), 3u);
  EXPECT_PRED2(Contains, lines[0], "config.json: missing");
  EXPECT_EQ(lines[1],
            ".: no weights; download model.safetensors or pytorch_model.bin, or all files of the "
            "index");
  EXPECT_PRED2(Contains, lines[2], "tokenizer.model: ");
}

}  // namespace
}  // namespace ixc

#include <gtest/gtest.h>

#include <functional>

#include "base/error.h"
#include "base/json.h"
#include "formats/clip_tower.h"
#include "formats/safetensors.h"
#include "formats/tensor_catalog.h"
#include "formats/weight_directory.h"
#include "unit/temp_dir.h"

namespace ixc {
namespace {

namespace fs = std::filesystem;

const fs::path kModels = fs::path(IXC_TEST_DATA) / "models";

// The tensors of a model under the names that `rename` gives them ("": left out), in one file.
void WriteRenamed(const std::string& model, const fs::path& path,
                  const std::function<std::string(const std::string&)>& rename,
                  std::vector<TensorSource> more = {}) {
  const Checkpoint original = Checkpoint::Open(kModels / model);
  std::vector<TensorSource> sources = std::move(more);
  for (std::string_view name : original.names()) {
    const std::string new_name = rename(std::string(name));
    if (!new_name.empty()) sources.push_back(SourceOf(new_name, *original.Find(name)));
  }
  fs::create_directories(path.parent_path());
  WriteSafetensors(path, std::move(sources));
}

void WriteModel(const std::string& model, const fs::path& directory,
                const std::function<std::string(const std::string&)>& rename,
                std::vector<TensorSource> more = {}) {
  WriteRenamed(model, directory / "model.safetensors", rename, std::move(more));
  fs::copy_file(kModels / model / "config.json", directory / "config.json");
}

std::string Without(const std::string& name, std::string_view part) {
  return Contains(name, part) ? "" : name;
}

// vl-a without its adapters of attention.wqkv, as quantization leaves it.
void WriteWithoutSomeAdapters(const TempDir& dir) {
  WriteRenamed("vl-a", dir.path() / "quant_model_weight_w8a8.safetensors",
               [](const std::string& name) { return Without(name, "wqkv.Plora"); });
  dir.Write("config.json", ReadAll(kModels / "vl-a" / "config.json"));
}

std::string OpenError(const fs::path& directory, const WeightDirectoryOptions& options = {}) {
  return ErrorOf([&] { WeightDirectory::Open(directory, options); });
}

TEST(WeightDirectory, OpensACompleteDirectory) {
  const WeightDirectory hd = WeightDirectory::Open(kModels / "4khd-a");
  EXPECT_EQ(hd.kind, ModelKind::k4khd);
  EXPECT_EQ(hd.config.num_layers, 3);
  ASSERT_TRUE(hd.lora.has_value());
  EXPECT_EQ(hd.lora->Scale("attention.wqkv"), 2.0);
  EXPECT_TRUE(hd.warnings.empty());
}

TEST(WeightDirectory, TheCatalogHasEveryTensor) {
  for (const char* model : {"vl-a", "vl-b", "4khd-a"}) {
    const WeightDirectory opened = WeightDirectory::Open(kModels / model);
    size_t found = 0;
    for (const ExpectedTensor& expected : ExpectedTensors(opened.config, opened.kind)) {
      const TensorView* tensor = opened.checkpoint.Find(expected.name);
      ASSERT_NE(tensor, nullptr) << expected.name;
      ASSERT_EQ(tensor->shape.size(), expected.shape.size()) << expected.name;
      for (size_t i = 0; i < tensor->shape.size(); ++i) {
        const bool any = expected.shape[i] == kAnySize;
        EXPECT_EQ(tensor->shape[i], any ? tensor->shape[i] : expected.shape[i]) << expected.name;
      }
      ++found;
    }
    EXPECT_EQ(found, opened.checkpoint.names().size()) << model;
  }
}

TEST(WeightDirectory, TakesMissingAdaptersFromTheNamedDirectory) {
  const TempDir dir;
  WriteWithoutSomeAdapters(dir);
  EXPECT_PRED2(Contains, OpenError(dir.path()),
               "tensor 'model.layers.0.attention.wqkv.Plora_A.weight' is missing and 5 more");

  dir.Write("lora_adapter.json",
            fmt::format(R"({{"internlmxc2": "{}"}})", (kModels / "vl-a").string()));
  const WeightDirectory opened = WeightDirectory::Open(dir.path());
  const std::string name = "model.layers.1.attention.wqkv.Plora_B.weight";
  EXPECT_EQ(opened.kind, ModelKind::kVl);
  EXPECT_EQ(opened.lora->alpha, 16);
  EXPECT_EQ(opened.checkpoint.FileOf(name).path().parent_path(), kModels / "vl-a");
  EXPECT_EQ(opened.checkpoint.FileOf("output.weight").path().parent_path(), dir.path());

  dir.Write("lora_adapter.json", R"({"internlmxc2": "."})");
  EXPECT_PRED2(Contains, OpenError(dir.path()), "where it is not either");
}

// The adapters alone, under PEFT's names.
TEST(WeightDirectory, TakesAdaptersFromAnAdapterFile) {
  const TempDir dir;
  WriteModel("vl-a", dir.path() / "model",
             [](const std::string& name) { return Without(name, "Plora_"); });
  WriteRenamed("vl-a", dir.path() / "adapter" / "adapter_model.safetensors",
               [](const std::string& name) {
                 return Contains(name, "Plora_") ? "base_model.model." + name : "";
               });
  dir.Write("adapter/adapter_config.json", R"({"r": 16, "lora_alpha": 32})");
  dir.Write("model/lora_adapter.json", R"({"internlmxc2": "../adapter"})");
  const WeightDirectory opened = WeightDirectory::Open(dir.path() / "model");
  EXPECT_EQ(opened.kind, ModelKind::kVl);
  EXPECT_EQ(opened.lora->Scale("attention.wqkv"), 2.0);
  EXPECT_NE(opened.checkpoint.Find("model.layers.2.feed_forward.w2.Plora_B.weight"), nullptr);
}

TEST(WeightDirectory, MissingAdaptersCanBeAllowed) {
  const TempDir dir;
  WriteModel("4khd-a", dir.path() / "model",
             [](const std::string& name) { return Without(name, "Plora_"); });
  EXPECT_PRED2(Contains, OpenError(dir.path() / "model"), "--allow-missing-adapters runs without");
  const WeightDirectory opened =
      WeightDirectory::Open(dir.path() / "model", {.allow_missing_adapters = true});
  EXPECT_EQ(opened.kind, ModelKind::k4khd);
  ASSERT_EQ(opened.warnings.size(), 1u);
  EXPECT_PRED2(Contains, opened.warnings[0], "30 tensors of partial LoRA are missing and count as");
}

TEST(WeightDirectory, ScalesFollowPatterns) {
  const LoraConfig lora = ParseLoraConfig(
      R"({"r": 16, "lora_alpha": 32, "use_rslora": true, "rank_pattern": {"attention.wqkv": 4},
          "alpha_pattern": {"layers.1.attention.wqkv": 6, "wo": 8}})",
      "test");
  EXPECT_EQ(lora.Scale("feed_forward.w1"), 8.0);
  EXPECT_EQ(lora.Scale("model.layers.0.attention.wqkv"), 16.0);
  EXPECT_EQ(lora.Scale("model.layers.1.attention.wqkv"), 3.0);
  EXPECT_EQ(lora.Scale("model.layers.11.attention.wqkv"), 16.0);
  EXPECT_EQ(lora.Scale("attention.wo"), 2.0);
  EXPECT_EQ(lora.Scale("attention.two"), 8.0);
}

// --- towers ------------------------------------------------------------------------------------

std::string AsClip(const std::string& name) {
  const size_t at = name.find("vision_model.");
  return at == name.npos ? "" : name.substr(at);
}

TEST(ClipTower, StandsInForAMissingOne) {
  const TempDir dir;
  WriteModel("vl-a", dir.path() / "model",
             [](const std::string& name) { return Without(name, "vit."); });
  EXPECT_PRED2(Contains, OpenError(dir.path() / "model"),
               "no vision tower (tensor 'vit.vision_tower.vision_model.embeddings");
  const int64_t ids[577] = {};
  WriteRenamed("vl-a", dir.path() / "clip" / "model.safetensors", AsClip,
               {SourceOf("text_model.embeddings.position_ids",
                         {DType::kI64, {1, 577}, reinterpret_cast<const std::byte*>(ids)})});
  dir.Write("clip/config.json", R"({"model_type": "clip", "vision_config":
      {"hidden_act": "quick_gelu", "num_attention_heads": 2}})");
  const WeightDirectory opened =
      WeightDirectory::Open(dir.path() / "model", {.vit_directory = dir.path() / "clip"});
  const Checkpoint original = Checkpoint::Open(kModels / "vl-a");
  EXPECT_EQ(opened.checkpoint.names(), original.names());
  for (std::string_view name : original.names()) {
    EXPECT_EQ(ReadAsFloat(*opened.checkpoint.Find(name), "found"),
              ReadAsFloat(*original.Find(name), "wanted"))
        << name;
  }
}

TEST(ClipTower, IsNotUsedBesideAModelsOwn) {
  const WeightDirectory opened =
      WeightDirectory::Open(kModels / "vl-a", {.vit_directory = "not even there"});
  ASSERT_EQ(opened.warnings.size(), 1u);
  EXPECT_PRED2(Contains, opened.warnings[0], "a vision tower of its own");
}

TEST(ClipTower, TheWrongOneIsNamed) {
  const TempDir dir;
  WriteModel("vl-a", dir.path() / "model",
             [](const std::string& name) { return Without(name, "vit."); });
  WriteRenamed("vl-b", dir.path() / "small" / "model.safetensors", AsClip);
  WriteRenamed("vl-a", dir.path() / "clip" / "model.safetensors", AsClip);
  const auto error = [&](const fs::path& vit) {
    return OpenError(dir.path() / "model", {.vit_directory = vit});
  };
  EXPECT_PRED2(Contains, error(dir.path() / "small"),
               "small: the wrong vision tower: 2 layers of width 64, MLP ");
  EXPECT_PRED2(Contains, error(dir.path() / "small"), "the model wants 3 layers of width 128");
  EXPECT_PRED2(Contains, error(dir.path() / "model"), "no CLIP vision tower in there");
  EXPECT_PRED2(Contains, error(dir.path() / "none"), "wanted a model directory, found nothing");
  dir.Write("clip/config.json", R"({"vision_config": {"hidden_act": "gelu"}})");
  EXPECT_PRED2(Contains, error(dir.path() / "clip"),
               "'vision_config.hidden_act' wanted 'quick_gelu'");
  dir.Write("clip/config.json", R"({"num_attention_heads": 12})");
  EXPECT_PRED2(Contains, error(dir.path() / "clip"),
               "wanted 2, as the model's tower has, found 12");

  // The same inside the model's own directory.
  WriteModel("vl-a", dir.path() / "mixed", [](const std::string& name) {
    return Contains(name, "vit.vision_tower.vision_model.encoder.layers.2.") ? "" : name;
  });
  EXPECT_PRED2(Contains, OpenError(dir.path() / "mixed"),
               "mixed: the wrong vision tower: 2 layers of width 128");
}

// --- other models ------------------------------------------------------------------------------

TEST(ForeignModel, IsNamedByItsConfiguration) {
  const TempDir dir;
  dir.Write("config.json",
            R"({"model_type": "llava", "architectures": ["LlavaForConditionalGeneration"]})");
  EXPECT_EQ(OpenError(dir.path()),
            (dir.path() / "config.json").string() +
                ": a model of type 'llava' (LlavaForConditionalGeneration); ixc runs "
                "InternLM-XComposer2-VL-7B and InternLM-XComposer2-4KHD-7B (and models of their "
                "form)");
  // Fine-tuned versions of the real ones go by these.
  Json config = ReadJsonFile(kModels / "vl-a" / "config.json");
  for (const char* type : {"internlm", "internlm2", "internlmxcomposer2"}) {
    config["model_type"] = type;
    EXPECT_EQ(ParseModelConfig(config.dump(), "test").num_layers, 3);
  }
}

TEST(ForeignModel, IsNamedByItsTensors) {
  const float zeros[16] = {};
  const auto open_error = [&](const std::vector<std::string>& names) {
    const TempDir dir;
    std::vector<TensorSource> sources;
    for (const std::string& name : names) {
      sources.push_back(
          SourceOf(name, {DType::kF32, {4, 4}, reinterpret_cast<const std::byte*>(zeros)}));
    }
    WriteSafetensors(dir.path() / "model.safetensors", std::move(sources));
    dir.Write("config.json", ReadAll(kModels / "vl-a" / "config.json"));
    return OpenError(dir.path());
  };
  const std::vector<std::string> llama = {"model.layers.0.self_attn.q_proj.weight",
                                          "model.layers.0.mlp.gate_proj.weight"};
  const auto with = [&](const char* name) {
    std::vector<std::string> names = llama;
    names.push_back(name);
    return open_error(names);
  };
  EXPECT_PRED2(Contains, with("model.mm_projector.0.weight"), "this is a LLaVA-like model");
  EXPECT_PRED2(Contains, with("multi_modal_projector.linear_1.weight"), "a LLaVA-like model");
  EXPECT_PRED2(Contains, with("visual.blocks.0.attn.qkv.weight"), "a Qwen-VL-like model");
  EXPECT_PRED2(Contains, open_error(llama), "this is a LLaMA-like language model; ixc runs Intern");
  EXPECT_PRED2(Contains, open_error({"model.layers.0.attention.wqkv.weight", "output.weight"}),
               "this is a plain InternLM2 language model");
  EXPECT_PRED2(Contains, open_error({"base_model.model.model.layers.0.attention.wo.lora_A.weight"}),
               "this is a LoRA adapter, not a model; give it with --lora");
  EXPECT_PRED2(Contains, open_error({"vision_model.embeddings.class_embedding"}),
               "this is a CLIP model, not a language model; give it with --vit-path");
  EXPECT_PRED2(Contains, open_error({"visual.conv1.weight"}), "this is an OpenCLIP model");
  EXPECT_PRED2(Contains, open_error({"something.else"}), "is missing and 29 more of partial LoRA");
}

// XComposer-2.5: the names of 4KHD, a tower for 560 pixels, one rank for all adapters.
TEST(ForeignModel, XComposer25IsNamed) {
  const TempDir dir;
  const std::vector<float> table(1601 * 64);
  WriteModel(
      "4khd-a", dir.path() / "model",
      [](const std::string& name) { return Without(name, "position_embedding"); },
      {SourceOf(kPositionTable,
                {DType::kF32, {1601, 64}, reinterpret_cast<const std::byte*>(table.data())})});
  EXPECT_EQ(OpenError(dir.path() / "model"),
            (dir.path() / "model").string() +
                ": this is InternLM-XComposer-2.5, a later model; ixc runs "
                "InternLM-XComposer2-VL-7B and InternLM-XComposer2-4KHD-7B (and models of their "
                "form)");
}

TEST(WeightDirectory, PartialDownloadsAreNamed) {
  const TempDir dir;
  const auto copy = [&](const char* name) {
    fs::copy_file(kModels / "4khd-a" / name, dir.path() / name,
                  fs::copy_options::overwrite_existing);
  };
  EXPECT_PRED2(Contains, OpenError(dir.path()), "config.json: missing; wanted the model's own");
  copy("config.json");
  EXPECT_PRED2(Contains, OpenError(dir.path()), "no weights: wanted model.safetensors");
  copy("model.safetensors.index.json");
  copy("model-00001-of-00003.safetensors");
  EXPECT_PRED2(Contains, OpenError(dir.path()),
               "'model-00002-of-00003.safetensors' is missing, one of 3 files of "
               "model.safetensors.index.json: the download is incomplete");
  copy("model-00002-of-00003.safetensors");
  const auto last = kModels / "4khd-a" / "model-00003-of-00003.safetensors";
  dir.Write(last.filename().string(), ReadAll(last).substr(0, 300'000));
  EXPECT_PRED2(Contains, OpenError(dir.path()), "the file has 300000; download it again");
  dir.Write(last.filename().string(), "");
  EXPECT_PRED2(Contains, OpenError(dir.path()), "0 bytes are too few for a safetensors file");
}

TEST(WeightDirectory, SaysThatAConversionWasInterrupted) {
  const TempDir dir;
  fs::create_directory(dir.path() / ".ixc-convert");
  dir.Write(".ixc-convert/model.safetensors", "half of it");
  EXPECT_PRED2(
      Contains, OpenError(dir.path()),
      "a conversion into this directory was interrupted; run the same 'ixc convert' again");
}

}  // namespace
}  // namespace ixc

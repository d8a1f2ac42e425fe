// Ordinary LoRA on top of a model, against weights computed here: W + s B A in double precision.
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <cstring>
#include <map>
#include <random>

#include "engine/pipeline.h"
#include "formats/lora_adapter.h"
#include "formats/safetensors.h"
#include "image/decode.h"
#include "model/merge_lora.h"
#include "unit/temp_dir.h"

namespace ixc {
namespace {

namespace fs = std::filesystem;

const fs::path kModels = fs::path(IXC_TEST_DATA) / "models";
const fs::path kPicture = fs::path(IXC_TEST_DATA) / "images" / "cat.png";

struct Floats {
  std::vector<int64_t> shape;
  std::vector<float> values;

  TensorView View() const {
    return {DType::kF32, shape, reinterpret_cast<const std::byte*>(values.data())};
  }
};
using Tensors = std::map<std::string, Floats>;

Floats RandomMatrix(int64_t rows, int64_t cols, float deviation, std::mt19937& random) {
  std::normal_distribution<float> normal(0.0f, deviation);
  Floats matrix{{rows, cols}, std::vector<float>(static_cast<size_t>(rows * cols))};
  for (float& value : matrix.values) value = normal(random);
  return matrix;
}

void WriteTensors(const fs::path& path, const Tensors& tensors) {
  std::vector<TensorSource> sources;
  for (const auto& [name, tensor] : tensors) sources.push_back(SourceOf(name, tensor.View()));
  WriteSafetensors(path, std::move(sources));
}

Tensors ReadModel(const fs::path& directory) {
  Tensors tensors;
  const Checkpoint checkpoint = Checkpoint::Open(directory);
  for (std::string_view name : checkpoint.names()) {
    const TensorView& view = *checkpoint.Find(name);
    tensors[std::string(name)] = {view.shape, ReadAsFloat(view, std::string(name))};
  }
  return tensors;
}

void CopyOtherFiles(const fs::path& from, const fs::path& to) {
  for (const char* name : {"config.json", "adapter_config.json", "tokenizer.model"}) {
    fs::copy_file(from / name, to / name);
  }
}

// What PEFT writes: r 4 and alpha 6, but rank 8 for wqkv (scale 0.75) and alpha 16 for w2 (scale
// 4).
constexpr char kAdapterConfig[] = R"({"peft_type": "LORA", "r": 4, "lora_alpha": 6, "bias": "none",
  "rank_pattern": {"attention.wqkv": 8}, "alpha_pattern": {"layers.1.feed_forward.w2": 16},
  "target_modules": ["wqkv", "w1", "w2", "wo"]})";

struct Target {
  const char* linear;
  int64_t rank;
  double scale;
};
constexpr Target kTargets[] = {
    {"model.layers.0.attention.wqkv", 8, 0.75}, {"model.layers.1.attention.wo", 4, 1.5},
    {"model.layers.0.feed_forward.w1", 4, 1.5}, {"model.layers.2.feed_forward.w3", 4, 1.5},
    {"model.layers.1.feed_forward.w2", 4, 4.0},
};

// Adds s B A to the model's weights, in double precision.
void AddProduct(const Floats& a, const Floats& b, double scale, Floats& weight) {
  const int64_t rank = a.shape[0], inputs = a.shape[1];
  for (int64_t o = 0; o < weight.shape[0]; ++o) {
    for (int64_t i = 0; i < inputs; ++i) {
      double sum = 0;
      for (int64_t r = 0; r < rank; ++r) {
        sum += static_cast<double>(b.values[static_cast<size_t>(o * rank + r)]) *
               static_cast<double>(a.values[static_cast<size_t>(r * inputs + i)]);
      }
      float& value = weight.values[static_cast<size_t>(o * inputs + i)];
      value = static_cast<float>(static_cast<double>(value) + scale * sum);
    }
  }
}

class Lora : public ::testing::Test {
 protected:
  // vl-a, a float32 copy of it, an adapter, and the float32 model with the adapter computed in.
  void SetUp() override {
    std::mt19937 random(7);
    Tensors model = ReadModel(kModels / "vl-a");
    for (const char* name : {"wide", "expected", "lora"}) fs::create_directory(dir_.path() / name);
    WriteTensors(dir_.path() / "wide" / "model.safetensors", model);
    Tensors adapter;
    for (const Target& target : kTargets) {
      Floats& weight = model.at(std::string(target.linear) + ".weight");
      const Floats a = RandomMatrix(target.rank, weight.shape[1], 0.1f, random);
      const Floats b = RandomMatrix(weight.shape[0], target.rank, 0.3f, random);
      AddProduct(a, b, target.scale, weight);
      const std::string prefix = "base_model.model." + std::string(target.linear);
      adapter[prefix + ".lora_A.weight"] = a;
      adapter[prefix + ".lora_B.weight"] = b;
    }
    WriteTensors(dir_.path() / "expected" / "model.safetensors", model);
    WriteTensors(dir_.path() / "lora" / "adapter_model.safetensors", adapter);
    dir_.Write("lora/adapter_config.json", kAdapterConfig);
    CopyOtherFiles(kModels / "vl-a", dir_.path() / "wide");
    CopyOtherFiles(kModels / "vl-a", dir_.path() / "expected");
  }

  struct Run {
    Matrix prompt;  // logits of every position
    Matrix step;    // logits after one more token
  };
  Run Logits(const fs::path& model, bool with_lora, bool merge, const char* scheme = "") const {
    EngineOptions options;
    options.model_dir = model.string();
    options.compute = ComputeMode::kFloat32;
    options.scheme = scheme;
    if (with_lora) options.lora_dir = (dir_.path() / "lora").string();
    options.merge_lora = merge;
    const auto pipeline = Pipeline::Load(options);
    Request request;
    request.query = "<ImageHere>What is this?";
    request.images.push_back(LoadImage(kPicture.string()));
    std::vector<EncodedPicture> pictures;
    pictures.push_back(pipeline->EncodePicture(request.images[0], 0, nullptr));
    const AssembledPrompt prompt = pipeline->Assemble(pipeline->BuildPrompt(request), pictures);
    Sequence sequence = pipeline->NewSequence();
    Pipeline::PrefillOptions prefill;
    prefill.all_rows = true;
    const Matrix hidden = pipeline->Prefill(prompt, sequence, prefill);
    return {pipeline->Logits(hidden), pipeline->Step(std::array{int32_t{17}}, sequence)};
  }

  static double Difference(const Matrix& a, const Matrix& b) {
    double largest = 0;
    for (int64_t i = 0; i < a.rows() * a.cols(); ++i) {
      largest = std::max(largest, std::fabs(static_cast<double>(a.data()[i] - b.data()[i])));
    }
    return largest;
  }

  TempDir dir_;
};

TEST_F(Lora, AppliedAndMergedGiveTheComputedModel) {
  constexpr double kTolerance = 5e-4;  // of the golden tests
  const Run expected = Logits(dir_.path() / "expected", false, false);
  const Run plain = Logits(dir_.path() / "wide", false, false);
  EXPECT_GT(Difference(plain.prompt, expected.prompt), 1.0);
  EXPECT_GT(Difference(plain.step, expected.step), 0.5);
  for (bool merge : {false, true}) {
    const Run run = Logits(dir_.path() / "wide", true, merge);
    EXPECT_LT(Difference(run.prompt, expected.prompt), kTolerance) << merge;
    EXPECT_LT(Difference(run.step, expected.step), kTolerance) << merge;
  }
  // Beside half-precision weights an applied adapter loses nothing.
  const Run half = Logits(kModels / "vl-a", true, false);
  EXPECT_LT(Difference(half.prompt, expected.prompt), kTolerance);
}

TEST_F(Lora, WorksBesideIntegers) {
  const Run expected = Logits(dir_.path() / "expected", false, false, "w8a8d");
  const Run plain = Logits(dir_.path() / "wide", false, false, "w8a8d");
  const Run applied = Logits(dir_.path() / "wide", true, false, "w8a8d");
  const Run merged = Logits(dir_.path() / "wide", true, true, "w8a8d");
  const double effect = Difference(plain.step, expected.step);
  EXPECT_LT(Difference(applied.step, expected.step), 0.5 * effect);
  EXPECT_LT(Difference(merged.step, expected.step), 0.1 * effect);
}

// Rounded once, to the nearest half.
TEST_F(Lora, MergesIntoHalfPrecision) {
  const Checkpoint model = Checkpoint::Open(kModels / "vl-a");
  const std::string linear = kTargets[0].linear;
  const TensorView& weight = *model.Find(linear + ".weight");
  ASSERT_EQ(weight.dtype, DType::kF16);
  const LoraAdapter adapter =
      LoraAdapter::Open(dir_.path() / "lora", ReadModelConfig(kModels / "vl-a"));
  EXPECT_EQ(adapter.size(), std::size(kTargets));
  const LoraPair* pair = adapter.Find(linear);
  ASSERT_NE(pair, nullptr);
  EXPECT_EQ(pair->scale, 0.75);
  ThreadPool pool(2);
  const AlignedBuffer merged = MergeLora(weight, *pair, {BestIsa(), &pool});
  const Checkpoint expected = Checkpoint::Open(dir_.path() / "expected");
  const std::vector<float> wanted = ReadAsFloat(*expected.Find(linear + ".weight"), linear);
  const std::vector<float> found = ReadAsFloat({DType::kF16, weight.shape, merged.data()}, linear);
  for (size_t i = 0; i < wanted.size(); ++i) {
    EXPECT_NEAR(found[i], wanted[i], std::fabs(wanted[i]) * 0x1.01p-11f + 1e-7f) << i;
  }
}

TEST_F(Lora, LoraAdapterJsonNamesOneToo) {
  const Run expected = Logits(dir_.path() / "expected", false, false);
  dir_.Write("wide/lora_adapter.json", R"({"mine": "../lora"})");
  const Run run = Logits(dir_.path() / "wide", false, false);
  EXPECT_LT(Difference(run.step, expected.step), 5e-4);
}

TEST_F(Lora, WhatCannotBeUsedIsAnError) {
  const ModelConfig config = ReadModelConfig(kModels / "vl-a");
  const auto error = [&] {
    return ErrorOf([&] { LoraAdapter::Open(dir_.path() / "lora", config); });
  };
  const std::pair<const char*, const char*> configs[] = {
      {R"({"use_dora": true})", "field 'use_dora' wanted false"},
      {R"({"bias": "all"})", "field 'bias' wanted 'none'"},
      {R"({"peft_type": "LOHA"})", "field 'peft_type' wanted 'LORA'"},
      {R"({"r": 0})", "field 'r' wanted an integer in 1..1024"},
  };
  for (const auto& [text, expected] : configs) {
    dir_.Write("lora/adapter_config.json", text);
    EXPECT_PRED2(Contains, error(), expected);
  }
  dir_.Write("lora/adapter_config.json", kAdapterConfig);
  const Floats good_a{{4, 128}, std::vector<float>(512)};
  const Floats good_b{{128, 4}, std::vector<float>(512)};
  const std::string wo = "base_model.model.model.layers.0.attention.wo";
  const std::pair<Tensors, const char*> files[] = {
      {{{wo + ".lora_A.weight", good_a}}, "has lora_A and no lora_B"},
      {{{wo + ".lora_A.weight", good_b}, {wo + ".lora_B.weight", good_b}},
       "it was made for another model"},
      {{{"base_model.model.lm_head.lora_A.weight", good_a},
        {"base_model.model.lm_head.lora_B.weight", good_b}},
       "LoRA of 'lm_head': this model has no such linear"},
      {{{"base_model.model.model.layers.9.attention.wo.lora_A.weight", good_a},
        {"base_model.model.model.layers.9.attention.wo.lora_B.weight", good_b}},
       "of its 3 layers"},
      {{{"base_model.model.vision_proj.0.modules_to_save.weight", good_a}},
       "is neither lora_A nor lora_B"},
  };
  for (const auto& [tensors, expected] : files) {
    WriteTensors(dir_.path() / "lora" / "adapter_model.safetensors", tensors);
    EXPECT_PRED2(Contains, error(), expected);
  }
  fs::remove(dir_.path() / "lora" / "adapter_model.safetensors");
  EXPECT_PRED2(Contains, error(), "wanted a LoRA directory with adapter_config.json");
}

}  // namespace
}  // namespace ixc

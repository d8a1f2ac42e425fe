#include <gtest/gtest.h>

#include <cmath>

#include "base/json.h"
#include "formats/model_config.h"
#include "formats/model_kind.h"
#include "formats/safetensors.h"
#include "unit/temp_dir.h"

namespace ixc {
namespace {

constexpr char kConfig[] = R"({
  "model_type": "internlmxcomposer2", "bias": false, "hidden_act": "silu",
  "hidden_size": 128, "intermediate_size": 256, "vocab_size": 1024, "num_hidden_layers": 3,
  "num_attention_heads": 4, "num_key_value_heads": 2, "rms_norm_eps": 1e-05,
  "rope_theta": 1000000, "rope_scaling": {"type": "dynamic", "factor": 1.0},
  "max_position_embeddings": 32768, "max_length": 4096, "img_size": 490,
  "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 2, "torch_dtype": "float16",
  "tie_word_embeddings": false, "a_field_of_the_future": {"x": []},
  "vision_config": {"hidden_size": 64, "intermediate_size": 256, "num_hidden_layers": 2,
    "num_attention_heads": 2, "image_size": 56, "patch_size": 14, "hidden_act": "quick_gelu",
    "layer_norm_eps": 1e-05, "num_channels": 3}})";

// kConfig after a JSON merge patch (null removes a field).
std::string Patched(const std::string& patch) {
  Json json = ParseJson(kConfig, "test");
  json.merge_patch(ParseJson(patch, "test"));
  return json.dump();
}

ModelConfig Parse(const std::string& text) { return ParseModelConfig(text, "config.json"); }

TEST(ModelConfig, ReadsEveryField) {
  const ModelConfig config = Parse(kConfig);
  EXPECT_EQ(config.hidden_size, 128);
  EXPECT_EQ(config.intermediate_size, 256);
  EXPECT_EQ(config.vocab_size, 1024);
  EXPECT_EQ(config.num_layers, 3);
  EXPECT_EQ(config.num_heads, 4);
  EXPECT_EQ(config.num_kv_heads, 2);
  EXPECT_EQ(config.head_dim, 32);
  EXPECT_EQ(config.rms_norm_eps, 1e-5);
  EXPECT_EQ(config.rope_theta, 1e6);
  EXPECT_EQ(config.rope_scaling.type, RopeScaling::Type::kDynamic);
  EXPECT_EQ(config.rope_scaling.factor, 1.0);
  EXPECT_EQ(config.max_position_embeddings, 32768);
  EXPECT_EQ(config.max_length, 4096);
  EXPECT_EQ(config.eos_token_id, 2);
  EXPECT_EQ(config.torch_dtype, DType::kF16);
  EXPECT_EQ(config.img_size, 490);
  EXPECT_EQ(config.vision.hidden_size, 64);
  EXPECT_EQ(config.vision.num_layers, 2);
  EXPECT_EQ(config.vision.image_size, 56);
}

TEST(ModelConfig, OptionalFieldsHaveTheRealModelsValues) {
  const ModelConfig config = Parse(Patched(
      R"({"vision_config": null, "img_size": null, "rope_scaling": null, "max_length": null,
          "torch_dtype": null, "tie_word_embeddings": null, "model_type": null})"));
  EXPECT_EQ(config.vision.hidden_size, 1024);
  EXPECT_EQ(config.vision.num_layers, 24);
  EXPECT_EQ(config.vision.num_heads, 16);
  EXPECT_EQ(config.vision.image_size, 336);
  EXPECT_EQ(config.vision.patch_size, 14);
  EXPECT_EQ(config.img_size, 490);
  EXPECT_EQ(config.rope_scaling.type, RopeScaling::Type::kNone);
  EXPECT_FALSE(config.torch_dtype.has_value());
  EXPECT_EQ(MaxPromptTokens(ModelKind::kVl, config), 4096);
  EXPECT_EQ(MaxPromptTokens(ModelKind::k4khd, config), 16384);
}

TEST(ModelConfig, MissingFieldsAreErrors) {
  for (const char* field :
       {"bias", "hidden_act", "hidden_size", "intermediate_size", "vocab_size", "num_hidden_layers",
        "num_attention_heads", "num_key_value_heads", "rms_norm_eps", "rope_theta",
        "max_position_embeddings", "bos_token_id", "eos_token_id", "pad_token_id"}) {
    const std::string text = Patched(fmt::format(R"({{"{}": null}})", field));
    EXPECT_PRED2(Contains, ErrorOf([&] { Parse(text); }),
                 fmt::format("config.json: field '{}' wanted", field));
  }
}

TEST(ModelConfig, BadValuesAreErrorsThatNameTheField) {
  const struct {
    const char* patch;
    const char* error;
  } cases[] = {
      {R"({"hidden_size": "x"})",
       "field 'hidden_size' wanted an integer in 1..131072, found \"x\""},
      {R"({"hidden_size": 0})", "found 0"},
      {R"({"hidden_size": 128.0})", "found 128.0"},
      {R"({"hidden_size": 4611686018427387904})", "found 4611686018427387904"},
      {R"({"hidden_size": 130})", "wanted a multiple of num_attention_heads (4), found 130"},
      {R"({"hidden_size": 12})", "even number of elements a head"},
      {R"({"num_key_value_heads": 3})", "'num_attention_heads' wanted a multiple of num_key"},
      {R"({"num_hidden_layers": -1})", "found -1"},
      {R"({"vocab_size": 1e3})", "found 1000.0"},
      {R"({"eos_token_id": 1024})", "an integer in 0..1023, found 1024"},
      {R"({"eos_token_id": [1, 2]})", "found an array"},
      {R"({"rms_norm_eps": -1})", "wanted a number in 0..1, found -1"},
      {R"({"rope_theta": 0})", "field 'rope_theta'"},
      {R"({"rope_scaling": {"type": "yarn"}})", "'rope_scaling.type' wanted 'linear' or 'dynamic'"},
      {R"({"rope_scaling": {"factor": 0.5}})", "'rope_scaling.factor' wanted a number in 1.."},
      {R"({"rope_scaling": {"low": 1}})", "with just 'type' and 'factor'"},
      {R"({"rope_scaling": 2})", "'rope_scaling' wanted an object, found 2"},
      {R"({"bias": true})", "field 'bias' wanted false"},
      {R"({"tie_word_embeddings": true})", "field 'tie_word_embeddings' wanted false"},
      {R"({"hidden_act": "gelu"})", "field 'hidden_act' wanted 'silu', found \"gelu\""},
      {R"({"model_type": "llama"})", "a model of type 'llama'; ixc runs InternLM-XComposer2"},
      {R"({"torch_dtype": "int8"})", "field 'torch_dtype' wanted 'float32'"},
      {R"({"img_size": 491})", "'img_size' wanted a multiple of the patch size (14)"},
      {R"({"vision_config": {"hidden_size": 65}})",
       "'vision_config.hidden_size' wanted a multiple"},
      {R"({"vision_config": {"hidden_act": "gelu"}})", "'vision_config.hidden_act' wanted"},
      {R"({"vision_config": {"num_channels": 1}})", "'vision_config.num_channels' wanted"},
      {R"({"vision_config": []})", "'vision_config' wanted an object"},
  };
  for (const auto& c : cases) {
    EXPECT_PRED2(Contains, ErrorOf([&] { Parse(Patched(c.patch)); }), c.error) << c.patch;
  }
}

TEST(ModelConfig, EveryShorterTextIsAnError) {
  const std::string text = kConfig;
  for (size_t size = 0; size < text.size(); ++size) {
    EXPECT_PRED2(Contains, ErrorOf([&] { Parse(text.substr(0, size)); }), "config.json: ");
  }
}

TEST(GenerationConfig, ReadsOneIdOrAList) {
  const auto parse = [](const char* text) { return ParseGenerationConfig(text, "g.json"); };
  const GenerationConfig config = parse(R"({"max_length": 1600, "eos_token_id": 2})");
  EXPECT_EQ(config.max_length, 1600);
  EXPECT_EQ(config.eos_token_ids, std::vector<int64_t>{2});
  EXPECT_EQ(parse(R"({"eos_token_id": [2, 7]})").eos_token_ids, (std::vector<int64_t>{2, 7}));
  EXPECT_PRED2(Contains, ErrorOf([&] { parse(R"({"eos_token_id": [-2]})"); }), "list of ids");
  EXPECT_TRUE(ReadGenerationConfig(TempDir().path()).eos_token_ids.empty());
}

TEST(LoraConfig, ScaleFollowsPatternsAndRsLora) {
  const auto parse = [](const char* text) { return ParseLoraConfig(text, "a.json"); };
  const LoraConfig hd = parse(R"({"r": 256, "lora_alpha": 256, "rank_pattern":
      {"attention.wqkv": 8}, "alpha_pattern": {"attention.wqkv": 16}})");
  EXPECT_EQ(hd.Scale("attention.wqkv"), 2.0);
  EXPECT_EQ(hd.Scale("attention.wo"), 1.0);
  EXPECT_EQ(parse(R"({"r": 16, "lora_alpha": 8, "use_rslora": true})").Scale("x"), 2.0);
  EXPECT_EQ(parse("{}").Scale("x"), 1.0);
  EXPECT_PRED2(Contains, ErrorOf([&] { parse(R"({"r": 0})"); }), "field 'r' wanted");
  EXPECT_PRED2(Contains, ErrorOf([&] { parse(R"({"rank_pattern": {"a.b": 2000}})"); }),
               "field 'rank_pattern.a.b' wanted an integer in 1..1024, found 2000");
}

TEST(LoraConfig, KnownScalesWithoutTheFile) {
  EXPECT_EQ(LoraScale(ModelKind::kVl, std::nullopt, "attention.wqkv"), 1.0);
  EXPECT_EQ(LoraScale(ModelKind::k4khd, std::nullopt, "attention.wqkv"), 2.0);
  EXPECT_EQ(LoraScale(ModelKind::k4khd, std::nullopt, "feed_forward.w2"), 1.0);
}

TEST(LoraDirectory, ComesFromLoraAdapter) {
  const TempDir dir;
  EXPECT_FALSE(ReadLoraDirectory(dir.path()).has_value());
  dir.Write("lora_adapter.json", R"({"internlmxc2": "/weights"})");
  EXPECT_EQ(ReadLoraDirectory(dir.path()), "/weights");
  dir.Write("lora_adapter.json", R"({"internlmxc2": "../float"})");
  EXPECT_EQ(ReadLoraDirectory(dir.path()), dir.path() / "../float");
  dir.Write("lora_adapter.json", R"({"a": "x", "b": "y"})");
  EXPECT_PRED2(Contains, ErrorOf([&] { ReadLoraDirectory(dir.path()); }), "wanted one adapter");
  dir.Write("lora_adapter.json", "{}");
  EXPECT_PRED2(Contains, ErrorOf([&] { ReadLoraDirectory(dir.path()); }), "wanted one adapter");
}

// The tensors that tell the kinds apart, with these sizes.
struct Signals {
  bool separators;
  int64_t projector_columns;
  int64_t wqkv_rank;
  int64_t wo_rank;
  int64_t position_rows;
};

std::string Detect(const Signals& signals) {
  const std::vector<float> zeros(100'000);
  std::vector<TensorSource> sources;
  const auto add = [&](const char* name, std::vector<int64_t> shape) {
    const auto* data = reinterpret_cast<const std::byte*>(zeros.data());
    sources.push_back(SourceOf(name, {DType::kF32, std::move(shape), data}));
  };
  if (signals.separators) {
    add("plora_glb_GN", {1, 1, 128});
    add("plora_sub_GN", {1, 1, 1, 128});
  }
  add("vision_proj.0.weight", {128, signals.projector_columns});
  add("model.layers.0.attention.wqkv.Plora_A.weight", {signals.wqkv_rank, 128});
  add("model.layers.0.attention.wo.Plora_A.weight", {signals.wo_rank, 128});
  add("vit.vision_tower.vision_model.embeddings.position_embedding.weight",
      {signals.position_rows, 64});
  const TempDir dir;
  WriteSafetensors(dir.path() / "model.safetensors", std::move(sources));
  const Checkpoint checkpoint = Checkpoint::Open(dir.path());
  std::string result;
  const std::string error =
      ErrorOf([&] { result = Name(DetectModelKind(Parse(kConfig), checkpoint)); });
  return result.empty() ? error : result;
}

TEST(DetectModelKind, NeedsFourAgreeingSignals) {
  // The tower of kConfig: width 64, 56 / 14 = 4 patches a side; VL's pictures 490 / 14 = 35.
  EXPECT_EQ(Detect({false, 64, 16, 16, 1226}), "VL");
  EXPECT_EQ(Detect({false, 64, 16, 16, 17}), "VL");  // a table still to be resized
  EXPECT_EQ(Detect({true, 256, 4, 16, 17}), "4KHD");
  const Signals wrong[] = {{true, 64, 16, 16, 1226}, {false, 256, 16, 16, 1226},
                           {false, 64, 4, 16, 1226}, {false, 64, 16, 16, 577},
                           {true, 256, 4, 16, 1226}, {true, 256, 16, 16, 17},
                           {false, 256, 4, 16, 17},  {true, 64, 4, 16, 17}};
  for (const Signals& signals : wrong) {
    EXPECT_PRED2(Contains, Detect(signals), "the tensors disagree");
  }
  EXPECT_PRED2(Contains, Detect({false, 256, 4, 16, 17}),
               "; plora_glb_GN absent, plora_sub_GN absent: VL; vision_proj.0.weight has 256 "
               "columns for a tower of width 64: 4KHD; Plora_A rank 4 of wqkv, 16 of wo: 4KHD; "
               "position table of 17 rows (VL has 1226, 4KHD 17): either");
}

}  // namespace
}  // namespace ixc

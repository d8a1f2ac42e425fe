#include <gtest/gtest.h>

#include "eval/clip_config.h"
#include "unit/temp_dir.h"

namespace ixc {
namespace {

std::string Config(const std::string& vision, const std::string& text = "",
                   const std::string& rest = "") {
  return R"({"model_cfg": {"embed_dim": 8, "vision_cfg": {"image_size": 28, "patch_size": 14, "width": 64,
    "layers": 2)" +
         vision + R"(}, "text_cfg": {"width": 32, "heads": 2, "layers": 1)" + text + "}}" + rest +
         "}";
}

TEST(ClipConfig, DirectoryWithoutConfigIsVitH14) {
  const TempDir folder;
  const ClipConfig config = ReadClipConfig(folder.path());
  EXPECT_EQ(config.embed_dim, 1024);
  EXPECT_EQ(config.image.width, 1280);
  EXPECT_EQ(config.image.num_heads, 16);
  EXPECT_EQ(config.image.mlp_width, 5120);
  EXPECT_EQ(config.image.num_patches(), 256);
  EXPECT_EQ(config.num_image_layers, 32);
  EXPECT_EQ(config.image.activation, Activation::kGelu);
  EXPECT_EQ(config.text.width, 1024);
  EXPECT_EQ(config.text.num_heads, 16);
  EXPECT_EQ(config.num_text_layers, 24);
  EXPECT_EQ(config.vocab_size, 49408);
  EXPECT_TRUE(config.text.causal);
  EXPECT_EQ(config.transform.kind, ImageTransform::Kind::kCentreCrop);
  EXPECT_EQ(config.transform.view_size, 224);
}

TEST(ClipConfig, PreprocessingAndQuickGelu) {
  ClipConfig config = ParseClipConfig(Config(R"(, "head_width": 16, "mlp_ratio": 2.0)"), "test");
  EXPECT_EQ(config.image.num_heads, 4);
  EXPECT_EQ(config.image.mlp_width, 128);
  config = ParseClipConfig(
      Config("", "", R"(, "preprocess_cfg": {"resize_mode": "squash", "mean": [0, 0.5, 1]})"),
      "test");
  EXPECT_EQ(config.transform.kind, ImageTransform::Kind::kSquare);
  EXPECT_EQ(config.transform.mean[1], 0.5f);
  std::string text = Config("");
  text.insert(text.find("\"embed_dim\""), "\"quick_gelu\": true, ");
  EXPECT_EQ(ParseClipConfig(text, "test").image.activation, Activation::kQuickGelu);
}

TEST(ClipConfig, OtherModelsAreNamed) {
  const auto error = [](const std::string& text) {
    return ErrorOf([&] { ParseClipConfig(text, "test"); });
  };
  EXPECT_PRED2(Contains, error(Config(R"(, "timm_model_name": "x")")), "timm_model_name");
  EXPECT_PRED2(Contains, error(Config(R"(, "pool_type": "avg")")), "pool_type");
  EXPECT_PRED2(Contains, error(Config("", R"(, "hf_model_name": "x")")), "hf_model_name");
  EXPECT_PRED2(Contains, error(Config(R"(, "head_width": 24)")), "head_width");
  EXPECT_PRED2(Contains, error(Config("", "", R"(, "preprocess_cfg": {"std": [1, 0, 1]})")), "std");
  EXPECT_PRED2(Contains, error(Config("", "", R"(, "preprocess_cfg": {"resize_mode": "longest"})")),
               "resize_mode");
  EXPECT_PRED2(Contains, error("{}"), "model_cfg");
}

}  // namespace
}  // namespace ixc

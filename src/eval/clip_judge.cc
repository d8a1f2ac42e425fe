#include "eval/clip_judge.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "model/weight_loader.h"

namespace ixc {
namespace {

namespace fs = std::filesystem;

// y = x P with P [inputs, outputs] as stored.
struct Projection {
  std::vector<float> matrix;
  int64_t outputs = 0;

  std::vector<float> Apply(const float* x) const {
    std::vector<double> sums(static_cast<size_t>(outputs));
    const float* row = matrix.data();
    for (size_t i = 0; i < matrix.size() / sums.size(); ++i, row += outputs) {
      for (size_t j = 0; j < sums.size(); ++j) sums[j] += double{x[i]} * double{row[j]};
    }
    return std::vector<float>(sums.begin(), sums.end());
  }
};

struct TextTower {
  std::vector<float> embeddings;  // [vocabulary, width]
  std::vector<float> positions;   // [context, width]
  std::vector<EncoderLayer> layers;
  LayerNormWeights final_norm;
  Projection projection;
};

EncoderLayer LoadBlock(WeightLoader& loader, const std::string& prefix, int64_t width,
                       int64_t mlp_width) {
  EncoderLayer layer;
  layer.norm1 = loader.LoadLayerNorm(prefix + "ln_1", width);
  layer.qkv = {loader.LoadMatrix(prefix + "attn.in_proj_weight", {3 * width, width}),
               loader.LoadVector(prefix + "attn.in_proj_bias", {3 * width})};
  layer.out = loader.LoadLinear(prefix + "attn.out_proj", width, width);
  layer.norm2 = loader.LoadLayerNorm(prefix + "ln_2", width);
  layer.fc1 = loader.LoadLinear(prefix + "mlp.c_fc", mlp_width, width);
  layer.fc2 = loader.LoadLinear(prefix + "mlp.c_proj", width, mlp_width);
  return layer;
}

VisionTower LoadImageTower(WeightLoader& loader, const ClipConfig& config) {
  const VisionTowerConfig& image = config.image;
  VisionTower::Embeddings embeddings;
  embeddings.class_embedding = loader.LoadVector("visual.class_embedding", {image.width});
  embeddings.patch = loader.LoadMatrix("visual.conv1.weight",
                                       {image.width, 3, image.patch_size, image.patch_size});
  embeddings.positions =
      loader.LoadVector("visual.positional_embedding", {1 + image.num_patches(), image.width});
  embeddings.pre_norm = loader.LoadLayerNorm("visual.ln_pre", image.width);
  std::vector<EncoderLayer> layers;
  for (int i = 0; i < config.num_image_layers; ++i) {
    layers.push_back(LoadBlock(loader, fmt::format("visual.transformer.resblocks.{}.", i),
                               image.width, image.mlp_width));
  }
  return VisionTower(image, std::move(embeddings), std::move(layers));
}

TextTower LoadTextTower(WeightLoader& loader, const ClipConfig& config) {
  const EncoderConfig& text = config.text;
  TextTower tower;
  tower.embeddings = loader.LoadVector("token_embedding.weight", {config.vocab_size, text.width});
  tower.positions = loader.LoadVector("positional_embedding", {config.context_length, text.width});
  for (int i = 0; i < config.num_text_layers; ++i) {
    tower.layers.push_back(
        LoadBlock(loader, fmt::format("transformer.resblocks.{}.", i), text.width, text.mlp_width));
  }
  tower.final_norm = loader.LoadLayerNorm("ln_final", text.width);
  tower.projection = {loader.LoadVector("text_projection", {text.width, config.embed_dim}),
                      config.embed_dim};
  return tower;
}

// A directory's own merges, or those that everybody else uses.
fs::path MergesOf(const fs::path& directory, const fs::path& fallback) {
  for (const char* name :
       {"bpe_simple_vocab_16e6.txt.gz", "bpe_simple_vocab_16e6.txt", "merges.txt"}) {
    if (fs::exists(directory / name)) return directory / name;
  }
  return fallback;
}

}  // namespace

class ClipJudge::Impl {
 public:
  Impl(const fs::path& directory, const Options& options)
      : config_(ReadClipConfig(directory)),
        tokenizer_(MergesOf(directory, options.merges), config_.vocab_size, config_.context_length),
        pool_(options.num_threads),
        compute_{ChooseIsa(options.isa), &pool_},
        source_(Checkpoint::Open(directory)),
        load_options_{std::nullopt, std::nullopt, false, options.on_load_progress, {}},
        loader_(source_, load_options_, compute_),
        image_(LoadImageTower(loader_, config_)),
        image_norm_(loader_.LoadLayerNorm("visual.ln_post", config_.image.width)),
        image_projection_{
            loader_.LoadVector("visual.proj", {config_.image.width, config_.embed_dim}),
            config_.embed_dim},
        text_(LoadTextTower(loader_, config_)) {}

  const ClipConfig& config() const { return config_; }
  const ClipTokenizer& tokenizer() const { return tokenizer_; }

  Matrix PreparePixels(const Image& image) const {
    return std::move(PrepareImage(image, config_.transform, 0, compute_).pixels);
  }

  std::vector<float> EncodeImage(const Image& image) const {
    Matrix classes = image_.EncodeClass(PreparePixels(image), compute_);
    Norm(classes, image_norm_, config_.image.layer_norm_eps, classes, compute_);
    return image_projection_.Apply(classes.data());
  }

  std::vector<float> EncodeText(std::string_view text) const {
    const std::vector<int32_t> ids = tokenizer_.Encode(text);
    // Rows behind the one that is read change nothing, since each sees only those before it.
    const int64_t end = std::max_element(ids.begin(), ids.end()) - ids.begin();
    const int64_t width = config_.text.width;
    Matrix rows(end + 1, width);
    for (int64_t i = 0; i <= end; ++i) {
      const float* token = text_.embeddings.data() + ids[static_cast<size_t>(i)] * width;
      const float* position = text_.positions.data() + i * width;
      std::transform(token, token + width, position, rows.Row(i), std::plus<float>());
    }
    RunEncoder(config_.text, text_.layers, 1, rows, compute_);
    const MatrixView last = rows.View().Rows(end, 1);
    Norm(last, text_.final_norm, config_.text.layer_norm_eps, last, compute_);
    return text_.projection.Apply(last.data);
  }

 private:
  ClipConfig config_;
  ClipTokenizer tokenizer_;
  mutable ThreadPool pool_;
  Compute compute_;
  CheckpointWeights source_;
  LoadOptions load_options_;
  WeightLoader loader_;
  VisionTower image_;
  LayerNormWeights image_norm_;
  Projection image_projection_;
  TextTower text_;
};

ClipJudge::ClipJudge(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
ClipJudge::~ClipJudge() = default;
ClipJudge::ClipJudge(ClipJudge&&) noexcept = default;

ClipJudge ClipJudge::Load(const Options& options) {
  fs::path directory = options.directory;
  if (fs::is_regular_file(directory)) {
    directory = directory.has_parent_path() ? directory.parent_path() : fs::path(".");
  }
  if (!fs::is_directory(directory)) {
    Fail("{}: wanted the directory of an OpenCLIP model, with open_clip_config.json and weights",
         directory.string());
  }
  return ClipJudge(std::make_unique<Impl>(directory, options));
}

const ClipConfig& ClipJudge::config() const { return impl_->config(); }
const ClipTokenizer& ClipJudge::tokenizer() const { return impl_->tokenizer(); }
std::vector<float> ClipJudge::EncodeImage(const Image& image) const {
  return impl_->EncodeImage(image);
}
std::vector<float> ClipJudge::EncodeText(std::string_view text) const {
  return impl_->EncodeText(text);
}
Matrix ClipJudge::PreparePixels(const Image& image) const { return impl_->PreparePixels(image); }

double ClipScore(const std::vector<float>& image, const std::vector<float>& text) {
  double dot = 0, image_square = 0, text_square = 0;
  for (size_t i = 0; i < image.size(); ++i) {
    dot += double{image[i]} * double{text[i]};
    image_square += double{image[i]} * double{image[i]};
    text_square += double{text[i]} * double{text[i]};
  }
  constexpr double kLeastNorm = 1e-8;
  return dot / (std::max(std::sqrt(image_square), kLeastNorm) *
                std::max(std::sqrt(text_square), kLeastNorm));
}

}  // namespace ixc

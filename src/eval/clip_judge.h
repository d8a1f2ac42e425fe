// An OpenCLIP model of the ViT-H-14 family that tells how well a text fits a picture.
//
//   image = ln_post(class row of the tower) P_image      tower: model/vision_tower.h
//   text  = ln_final(row of the end token) P_text        the row of the first largest id
//   score = image . text / (max(|image|, 1e-8) max(|text|, 1e-8))
//
// No factor, no clamp. Tensor names and formulas: open_clip's model.py and transformer.py.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "eval/clip_config.h"
#include "eval/clip_tokenizer.h"
#include "image/image.h"
#include "kernels/compute.h"

namespace ixc {

class ClipJudge {
 public:
  struct Options {
    // open_clip_model.safetensors or open_clip_pytorch_model.bin, and open_clip_config.json; or one
    // of those weight files itself.
    std::filesystem::path directory;
    // Merges of CLIP's public vocabulary, for directories without their own.
    std::filesystem::path merges;
    int num_threads = 0;
    std::string isa;  // "": the best of this machine
    std::function<void(double share)> on_load_progress;
  };
  static ClipJudge Load(const Options& options);
  ~ClipJudge();
  ClipJudge(ClipJudge&&) noexcept;

  const ClipConfig& config() const;
  const ClipTokenizer& tokenizer() const;

  // [embed_dim], not normalised.
  std::vector<float> EncodeImage(const Image& image) const;
  std::vector<float> EncodeText(std::string_view text) const;

  // The picture as the tower gets it: [3, size, size].
  Matrix PreparePixels(const Image& image) const;

 private:
  class Impl;
  explicit ClipJudge(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// Cosine, from -1 to 1.
double ClipScore(const std::vector<float>& image, const std::vector<float>& text);

}  // namespace ixc

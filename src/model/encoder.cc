#include "model/encoder.h"

#include <cmath>

#include "kernels/attention/attention.h"
#include "kernels/norm/norm.h"

namespace ixc {
namespace {

class EncoderRun {
 public:
  EncoderRun(const EncoderConfig& config, int num_sequences, MatrixView hidden,
             const Compute& compute)
      : config_(config),
        compute_(compute),
        num_sequences_(num_sequences),
        length_(hidden.rows / num_sequences),
        hidden_(hidden),
        normed_(hidden.rows, config.width),
        qkv_(hidden.rows, 3 * config.width),
        context_(hidden.rows, config.width),
        mlp_(hidden.rows, config.mlp_width) {
    kv_.num_kv_heads = config.num_heads;
    kv_.head_dim = static_cast<int>(config.width / config.num_heads);
    kv_.dtype = DType::kF32;
    const int64_t num_blocks = NumKeyBlocks(length_);
    kv_storage_ = AlignedBuffer(static_cast<size_t>(num_blocks) * kv_.BlockBytes());
    for (int64_t i = 0; i < num_blocks; ++i) {
      blocks_.push_back(kv_storage_.data() + static_cast<size_t>(i) * kv_.BlockBytes());
    }
  }

  void AttentionBlock(const EncoderLayer& layer) {
    Norm(hidden_, layer.norm1, config_.layer_norm_eps, normed_, compute_);
    layer.qkv.Apply(normed_, qkv_, Activation::kNone, compute_);
    AttentionArgs attention;
    attention.kv = kv_;
    attention.blocks = blocks_;
    attention.num_heads = config_.num_heads;
    attention.num_keys = length_;
    attention.causal = config_.causal;
    attention.scale = 1.0f / std::sqrt(static_cast<float>(kv_.head_dim));
    for (int sequence = 0; sequence < num_sequences_; ++sequence) {
      const int64_t first = sequence * length_;
      const MatrixView rows = qkv_.View().Rows(first, length_);
      StoreKeysValues(kv_, rows.Cols(config_.width, config_.width),
                      rows.Cols(2 * config_.width, config_.width), 0, blocks_, compute_);
      Attention(attention, rows.Cols(0, config_.width), context_.View().Rows(first, length_),
                compute_);
    }
    layer.out.AddTo(context_, hidden_, compute_);
  }

  void FeedForward(const EncoderLayer& layer) {
    Norm(hidden_, layer.norm2, config_.layer_norm_eps, normed_, compute_);
    layer.fc1.Apply(normed_, mlp_, config_.activation, compute_);
    layer.fc2.AddTo(mlp_, hidden_, compute_);
  }

 private:
  const EncoderConfig& config_;
  const Compute& compute_;
  int num_sequences_;
  int64_t length_;
  MatrixView hidden_;
  Matrix normed_, qkv_, context_, mlp_;
  KvShape kv_;
  AlignedBuffer kv_storage_;  // keys and values of one sequence
  std::vector<std::byte*> blocks_;
};

}  // namespace

void Norm(ConstMatrixView x, const LayerNormWeights& norm, float eps, MatrixView y,
          const Compute& compute) {
  LayerNorm(x, norm.weight.data(), norm.bias.data(), eps, y, compute);
}

void RunEncoder(const EncoderConfig& config, std::span<const EncoderLayer> layers,
                int num_sequences, MatrixView hidden, const Compute& compute) {
  EncoderRun run(config, num_sequences, hidden, compute);
  for (const EncoderLayer& layer : layers) {
    run.AttentionBlock(layer);
    run.FeedForward(layer);
  }
}

}  // namespace ixc

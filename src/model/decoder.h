// InternLM2 with partial LoRA: the text side of both models.
//
//   h = h + wo(attention(rope(wqkv(norm(h)))))
//   h = h + w2(silu(w1(norm(h))) * w3(norm(h)))
//
// Image rows of the prefill go through the partial LoRA of all five linears; decode steps never do.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "kernels/attention/attention.h"
#include "model/linear.h"
#include "model/rope_table.h"

namespace ixc {

struct DecoderConfig {
  int64_t hidden_size = 0;
  int64_t intermediate_size = 0;
  int64_t vocab_size = 0;
  int num_heads = 0;
  int num_kv_heads = 0;
  int head_dim = 0;
  float rms_norm_eps = 1e-5f;
  RopeConfig rope;
};

struct DecoderLayer {
  std::vector<float> attention_norm;  // [hidden]
  PartialLoraLinear wqkv;             // rows reordered to: all queries, all keys, all values
  PartialLoraLinear wo;
  std::vector<float> ffn_norm;  // [hidden]
  PartialLoraLinear gate_up;    // w1 stacked on w3: [2 intermediate, hidden]
  PartialLoraLinear w2;
};

// Neighbouring rows of a pass that are consecutive positions of one sequence, and where that keeps
// its keys, values and rotation state (not owned).
struct SequenceRows {
  int64_t count = 0;
  int64_t first_position = 0;
  int64_t total_length = 0;  // of the sequence once this call of the model is done (rope scaling)
  std::function<std::span<std::byte* const>(int layer)> blocks;
  RopeTable* rope = nullptr;
};

// What a linear, or the two that are stacked, takes.
enum class DecoderInput { kQkv, kOut, kGateUp, kDown };

// Rows through all layers: of one sequence, or of several that have nothing in common but the
// weights, which are read once for all of them. A row's bits do not depend on the rows beside it.
struct ForwardPass {
  KvShape kv;
  // Their rows lie one after the other; together they are all rows of the pass. Sequences with many
  // rows are best put first (attention.h).
  std::span<const SequenceRows> sequences;
  // Ranges of rows of the pass.
  std::span<const RowRange> image_rows;
  // Called with the output of each layer, when set.
  std::function<void(int layer, ConstMatrixView hidden)> observe;
  // Called with the input of each linear before it is multiplied, when set; may change it.
  // Calibration looks at activations and rounds them here.
  std::function<void(DecoderInput which, MatrixView x)> on_input;
};

class Decoder {
 public:
  Decoder(const DecoderConfig& config, std::vector<DecoderLayer> layers,
          std::vector<float> final_norm, WeightMatrix output);

  const DecoderConfig& config() const { return config_; }
  int num_layers() const { return static_cast<int>(layers_.size()); }
  std::span<const DecoderLayer> layers() const { return layers_; }
  const WeightMatrix& output() const { return output_; }

  // hidden is [rows, hidden_size]: embeddings on entry, output of the last layer on return. Keys
  // and values of the rows are stored at first_position … of their sequence, whose blocks must
  // exist.
  void Forward(MatrixView hidden, const ForwardPass& pass, const Compute& compute) const;

  // logits [rows, vocab_size] = output(norm(hidden)), float32.
  Matrix Logits(ConstMatrixView hidden, const Compute& compute) const;

 private:
  struct Workspace;
  void AttentionBlock(int index, const ForwardPass& pass, Workspace& work,
                      const Compute& compute) const;
  // From queries, keys and values of all rows to what their sequences let them see.
  void AttendSequences(int index, const ForwardPass& pass, Workspace& work,
                       const Compute& compute) const;
  void FeedForward(const DecoderLayer& layer, const ForwardPass& pass, Workspace& work,
                   const Compute& compute) const;

  DecoderConfig config_;
  std::vector<DecoderLayer> layers_;
  std::vector<float> final_norm_;
  WeightMatrix output_;  // [vocab_size, hidden_size]
};

}  // namespace ixc

#include "model/decoder.h"

#include <cmath>

#include "base/error.h"
#include "kernels/activation/activation.h"
#include "kernels/norm/norm.h"
#include "kernels/rope/rope.h"

namespace ixc {

// Activations of one forward pass; made once and used by every layer.
struct Decoder::Workspace {
  Workspace(const DecoderConfig& config, MatrixView hidden_rows)
      : hidden(hidden_rows),
        normed(hidden.rows, config.hidden_size),
        qkv(hidden.rows, int64_t{config.num_heads + 2 * config.num_kv_heads} * config.head_dim),
        context(hidden.rows, int64_t{config.num_heads} * config.head_dim),
        gate_up(hidden.rows, 2 * config.intermediate_size),
        cos(hidden.rows, config.head_dim / 2),
        sin(hidden.rows, config.head_dim / 2) {}

  MatrixView hidden;
  Matrix normed, qkv, context, gate_up, cos, sin;
};

Decoder::Decoder(const DecoderConfig& config, std::vector<DecoderLayer> layers,
                 std::vector<float> final_norm, WeightMatrix output)
    : config_(config),
      layers_(std::move(layers)),
      final_norm_(std::move(final_norm)),
      output_(std::move(output)) {}

void Decoder::AttendSequences(int index, const ForwardPass& pass, Workspace& work,
                              const Compute& compute) const {
  const int64_t query_width = int64_t{config_.num_heads} * config_.head_dim;
  const int64_t key_width = int64_t{config_.num_kv_heads} * config_.head_dim;
  std::vector<AttentionCall> calls;
  int64_t first = 0;
  for (const SequenceRows& sequence : pass.sequences) {
    const MatrixView qkv = work.qkv.View().Rows(first, sequence.count);
    const auto blocks = sequence.blocks(index);
    StoreKeysValues(pass.kv, qkv.Cols(query_width, key_width),
                    qkv.Cols(query_width + key_width, key_width), sequence.first_position, blocks,
                    compute);
    AttentionArgs args;
    args.kv = pass.kv;
    args.blocks = blocks;
    args.num_heads = config_.num_heads;
    args.first_position = sequence.first_position;
    args.num_keys = sequence.first_position + sequence.count;
    args.causal = true;
    args.scale = 1.0f / std::sqrt(static_cast<float>(config_.head_dim));
    calls.push_back(
        {args, qkv.Cols(0, query_width), work.context.View().Rows(first, sequence.count)});
    first += sequence.count;
  }
  Attention(calls, compute);
}

void Decoder::AttentionBlock(int index, const ForwardPass& pass, Workspace& work,
                             const Compute& compute) const {
  const DecoderLayer& layer = layers_[static_cast<size_t>(index)];
  RmsNorm(work.hidden, layer.attention_norm.data(), config_.rms_norm_eps, work.normed, compute);
  if (pass.on_input) pass.on_input(DecoderInput::kQkv, work.normed);
  layer.wqkv.Apply(work.normed, work.qkv, /*accumulate=*/false, pass.image_rows, compute);

  // Queries and keys lie side by side and turn by the same angles.
  const int64_t turned = int64_t{config_.num_heads + config_.num_kv_heads} * config_.head_dim;
  ApplyRope(work.qkv.View().Cols(0, turned), config_.head_dim, work.cos, work.sin, compute);
  AttendSequences(index, pass, work, compute);

  if (pass.on_input) pass.on_input(DecoderInput::kOut, work.context);
  layer.wo.Apply(work.context, work.hidden, /*accumulate=*/true, pass.image_rows, compute);
}

void Decoder::FeedForward(const DecoderLayer& layer, const ForwardPass& pass, Workspace& work,
                          const Compute& compute) const {
  RmsNorm(work.hidden, layer.ffn_norm.data(), config_.rms_norm_eps, work.normed, compute);
  if (pass.on_input) pass.on_input(DecoderInput::kGateUp, work.normed);
  layer.gate_up.Apply(work.normed, work.gate_up, /*accumulate=*/false, pass.image_rows, compute);
  const MatrixView gate = work.gate_up.View().Cols(0, config_.intermediate_size);
  const MatrixView up =
      work.gate_up.View().Cols(config_.intermediate_size, config_.intermediate_size);
  SiluMul(gate, up, gate, compute);
  if (pass.on_input) pass.on_input(DecoderInput::kDown, gate);
  layer.w2.Apply(gate, work.hidden, /*accumulate=*/true, pass.image_rows, compute);
}

void Decoder::Forward(MatrixView hidden, const ForwardPass& pass, const Compute& compute) const {
  Workspace work(config_, hidden);
  int64_t rows = 0;
  for (const SequenceRows& sequence : pass.sequences) {
    sequence.rope->Lookup(sequence.first_position, sequence.total_length,
                          work.cos.View().Rows(rows, sequence.count),
                          work.sin.View().Rows(rows, sequence.count));
    rows += sequence.count;
  }
  if (rows != hidden.rows) Fail("a pass of {} rows whose sequences have {}", hidden.rows, rows);
  for (int i = 0; i < num_layers(); ++i) {
    AttentionBlock(i, pass, work, compute);
    FeedForward(layers_[static_cast<size_t>(i)], pass, work, compute);
    if (pass.observe) pass.observe(i, hidden);
  }
}

Matrix Decoder::Logits(ConstMatrixView hidden, const Compute& compute) const {
  Matrix normed(hidden.rows, config_.hidden_size);
  RmsNorm(hidden, final_norm_.data(), config_.rms_norm_eps, normed, compute);
  Matrix logits(hidden.rows, config_.vocab_size);
  Multiply(normed, output_, logits, /*accumulate=*/false, {}, compute);
  return logits;
}

}  // namespace ixc

// A stack of pre-norm transformer layers over sequences of equal length: the body of the vision
// tower and of both towers of a CLIP model.
//
//   x = x + out(attention(qkv(norm1(x))));  x = x + fc2(activation(fc1(norm2(x))))   for each layer
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "model/linear.h"

namespace ixc {

struct LayerNormWeights {
  std::vector<float> weight;
  std::vector<float> bias;
};

struct EncoderLayer {
  LayerNormWeights norm1;
  Linear qkv;  // query, key and value projections stacked: [3 width, width]
  Linear out;
  LayerNormWeights norm2;
  Linear fc1;
  Linear fc2;
};

struct EncoderConfig {
  int64_t width = 0;
  int64_t mlp_width = 0;
  int num_heads = 0;
  float layer_norm_eps = 1e-5f;
  Activation activation = Activation::kQuickGelu;
  bool causal = false;  // a row sees itself and the rows before it, else all of its sequence
};

// Rows of a sequence with scale and bias of `norm`; y may be x.
void Norm(ConstMatrixView x, const LayerNormWeights& norm, float eps, MatrixView y,
          const Compute& compute);

// Runs `hidden` [num_sequences * length, width] through all layers, in place.
void RunEncoder(const EncoderConfig& config, std::span<const EncoderLayer> layers,
                int num_sequences, MatrixView hidden, const Compute& compute);

}  // namespace ixc

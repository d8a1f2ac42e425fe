#include "cli/bench_work.h"

namespace ixc {

namespace {

double Elements(const PackedMatrix& matrix) {
  return static_cast<double>(matrix.n) * static_cast<double>(matrix.k);
}

double Bytes(const PackedMatrix& matrix) { return static_cast<double>(matrix.data.size()); }

// Sums of one measure over the linears of a decoder.
struct DecoderSums {
  double linears = 0;
  double adapters = 0;
  double head = 0;
};

template <typename Measure>
DecoderSums SumOver(const Decoder& decoder, Measure measure) {
  DecoderSums sums;
  for (const DecoderLayer& layer : decoder.layers()) {
    for (const PartialLoraLinear* linear : {&layer.wqkv, &layer.wo, &layer.gate_up, &layer.w2}) {
      sums.linears += measure(linear->weight);
      for (const auto& adapter : linear->adapters) {
        sums.adapters += measure(adapter.a) + measure(adapter.b);
      }
    }
  }
  sums.head = measure(decoder.output());
  return sums;
}

// Weights of the tower's linears and of the projector.
struct VisionWeights {
  double patch = 0;
  double layers = 0;
  double projector = 0;
};

VisionWeights CountVision(const XComposer2& model) {
  const VisionTowerConfig& tower = model.tower().config();
  const double width = static_cast<double>(tower.width);
  const double hidden = static_cast<double>(model.config().hidden_size);
  const double merge = model.image_layout().merge;
  VisionWeights weights;
  weights.patch = width * 3 * tower.patch_size * tower.patch_size;
  weights.layers = static_cast<double>(model.config().vision.num_layers) *
                   (4 * width * width + 2 * width * static_cast<double>(tower.mlp_width));
  weights.projector = merge * merge * width * hidden + hidden * hidden;
  return weights;
}

}  // namespace

double PrefillOperations(const Decoder& decoder, int64_t tokens, int64_t image_tokens) {
  const DecoderConfig& config = decoder.config();
  const DecoderSums elements = SumOver(decoder, Elements);
  const double rows = static_cast<double>(tokens);
  const double attention = 4.0 * config.num_heads * config.head_dim * rows * (rows + 1) / 2;
  return 2 * (rows * elements.linears + static_cast<double>(image_tokens) * elements.adapters +
              elements.head) +
         attention * decoder.num_layers();
}

double DecodeBytes(const Decoder& decoder, int64_t context, DType kv_dtype) {
  const DecoderConfig& config = decoder.config();
  const DecoderSums bytes = SumOver(decoder, Bytes);
  const double keys_and_values = 2.0 * static_cast<double>(context) * config.num_kv_heads *
                                 config.head_dim * static_cast<double>(SizeOf(kv_dtype));
  return bytes.linears + bytes.head + keys_and_values * decoder.num_layers();
}

double VisionOperations(const XComposer2& model, int64_t views, int64_t image_tokens) {
  const VisionTowerConfig& tower = model.tower().config();
  const VisionWeights weights = CountVision(model);
  const double patches = static_cast<double>(tower.num_patches());
  const double tokens = patches + 1;
  const double attention = static_cast<double>(model.config().vision.num_layers) * 2 * tokens *
                           tokens * static_cast<double>(tower.width);
  const double view = patches * weights.patch + tokens * weights.layers + attention;
  return 2 * (static_cast<double>(views) * view +
              static_cast<double>(image_tokens) * weights.projector);
}

double WeightBytes(const XComposer2& model) {
  const DecoderSums decoder = SumOver(model.decoder(), Bytes);
  const VisionWeights vision = CountVision(model);
  return decoder.linears + decoder.adapters + decoder.head +
         (vision.patch + vision.layers + vision.projector) *
             static_cast<double>(SizeOf(model.weight_dtype()));
}

}  // namespace ixc

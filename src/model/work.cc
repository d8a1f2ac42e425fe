#include "model/work.h"

#include <string_view>

namespace ixc {

namespace {

double Elements(const PackedMatrix& matrix) {
  return static_cast<double>(matrix.n) * static_cast<double>(matrix.k);
}
double Elements(const WeightMatrix& matrix) { return static_cast<double>(NumWeights(matrix)); }

double Bytes(const PackedMatrix& matrix) { return static_cast<double>(matrix.NumBytes()); }
double Bytes(const WeightMatrix& matrix) { return static_cast<double>(NumBytes(matrix)); }

template <typename Measure>
DecoderWeights SumOver(const Decoder& decoder, Measure measure) {
  DecoderWeights sums;
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

DecoderWeights SumOver(const Census& census, uint64_t CensusPart::*measure) {
  const auto sum = [&](std::string_view name) {
    for (const CensusPart& part : census.parts) {
      if (part.name == name) return static_cast<double>(part.*measure);
    }
    return 0.0;
  };
  return {sum(kPartDecoderLinears), sum(kPartPartialLora), sum(kPartOutputHead)};
}

std::span<const std::byte> Numbers(const WeightMatrix& matrix) {
  return std::visit(
      [](const auto& held) -> std::span<const std::byte> {
        return {held.data.data(), held.data.size()};
      },
      matrix);
}

// Weights of the tower's linears and of the projector, in elements.
struct VisionWeights {
  double patch = 0;
  double layers = 0;
  double projector = 0;
};

VisionWeights CountVision(const ModelConfig& config, ModelKind kind) {
  const VisionConfig& tower = config.vision;
  const double width = static_cast<double>(tower.hidden_size);
  const double hidden = static_cast<double>(config.hidden_size);
  const double merge = PatchMerge(kind);
  VisionWeights weights;
  weights.patch = width * 3 * static_cast<double>(tower.patch_size * tower.patch_size);
  weights.layers = static_cast<double>(tower.num_layers) *
                   (4 * width * width + 2 * width * static_cast<double>(tower.intermediate_size));
  weights.projector = merge * merge * width * hidden + hidden * hidden;
  return weights;
}

}  // namespace

DecoderWeights ElementsOf(const Decoder& decoder) {
  return SumOver(decoder, [](const auto& matrix) { return Elements(matrix); });
}
DecoderWeights BytesOf(const Decoder& decoder) {
  return SumOver(decoder, [](const auto& matrix) { return Bytes(matrix); });
}
DecoderWeights ElementsOf(const Census& census) {
  return SumOver(census, &CensusPart::num_elements);
}
DecoderWeights BytesOf(const Census& census) { return SumOver(census, &CensusPart::num_bytes); }

double PrefillOperations(const ModelConfig& config, const DecoderWeights& elements, int64_t tokens,
                         int64_t image_tokens) {
  const double rows = static_cast<double>(tokens);
  const double width = static_cast<double>(config.num_heads * config.head_dim);
  const double attention = 4.0 * width * rows * (rows + 1) / 2;
  return 2 * (rows * elements.linears + static_cast<double>(image_tokens) * elements.adapters +
              elements.head) +
         attention * static_cast<double>(config.num_layers);
}

double DecodeBytes(const ModelConfig& config, const DecoderWeights& bytes, int64_t context,
                   DType kv_dtype) {
  const KvShape kv{static_cast<int>(config.num_kv_heads), static_cast<int>(config.head_dim),
                   kv_dtype};
  const double keys_and_values =
      static_cast<double>(context) * static_cast<double>(kv.BlockBytes()) / kKeyBlock;
  return bytes.linears + bytes.head + keys_and_values * static_cast<double>(config.num_layers);
}

double VisionOperations(const ModelConfig& config, ModelKind kind, int64_t views,
                        int64_t image_tokens) {
  const VisionWeights weights = CountVision(config, kind);
  const double side = static_cast<double>(ViewSize(kind, config) / config.vision.patch_size);
  const double patches = side * side;
  const double tokens = patches + 1;
  const double attention = static_cast<double>(config.vision.num_layers) * 2 * tokens * tokens *
                           static_cast<double>(config.vision.hidden_size);
  const double view = patches * weights.patch + tokens * weights.layers + attention;
  return 2 * (static_cast<double>(views) * view +
              static_cast<double>(image_tokens) * weights.projector);
}

std::vector<std::span<const std::byte>> DecodeWeights(const Decoder& decoder) {
  std::vector<std::span<const std::byte>> stretches;
  for (const DecoderLayer& layer : decoder.layers()) {
    for (const PartialLoraLinear* linear : {&layer.wqkv, &layer.wo, &layer.gate_up, &layer.w2}) {
      stretches.push_back(Numbers(linear->weight));
    }
  }
  stretches.push_back(Numbers(decoder.output()));
  return stretches;
}

double AllWeightBytes(const XComposer2& model) {
  const DecoderWeights decoder = BytesOf(model.decoder());
  const VisionWeights vision = CountVision(model.config(), model.kind());
  return decoder.linears + decoder.adapters + decoder.head +
         (vision.patch + vision.layers + vision.projector) *
             static_cast<double>(SizeOf(model.weight_dtype()));
}

}  // namespace ixc

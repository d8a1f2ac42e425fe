// From named tensors to the weights of layers: checks, stacking, row order, packing, progress.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "formats/weight_directory.h"
#include "model/linear.h"
#include "model/pack_cache.h"
#include "model/vision_tower.h"
#include "model/weight_source.h"
#include "quant/round_to_nearest.h"

namespace ixc {

struct LoadOptions {
  std::optional<DType> cast_float32_to;           // F16 or BF16
  std::optional<LoadScheme> scheme;               // integers for the decoder's linears and head
  bool random_integers = false;                   // made-up ones of the scheme: measurements only
  std::function<void(double share)> on_progress;  // 0 … 1; may be empty
  PackCacheOptions pack_cache;                    // directories only
  bool allow_missing_adapters = false;            // partial LoRA that is nowhere counts as zero
  bool merge_lora = false;                        // ordinary LoRA into the weights, not beside them
  std::function<void(const std::string& line)> on_warning = {};  // may be empty
};

class WeightLoader {
 public:
  // All must outlive the loader. `packs`, if not null, has matrices that were packed before, or
  // takes note of those that are packed now. lora: ordinary LoRA to put on top, or nullptr.
  WeightLoader(const WeightSource& source, const LoadOptions& options, const Compute& compute,
               PackCache* packs = nullptr, const LoraAdapter* lora = nullptr)
      : source_(source), options_(options), compute_(compute), packs_(packs), lora_(lora) {}

  // The tensors `names`, each [rows, ...] with `inputs` elements a row, stacked.
  struct MatrixSpec {
    std::vector<std::string> names;
    std::vector<std::vector<int64_t>> shapes;
    std::span<const int64_t> row_order;  // of the stack; empty: as it is
  };
  PackedMatrix LoadMatrix(const MatrixSpec& spec);
  PackedMatrix LoadMatrix(const std::string& name, std::vector<int64_t> shape,
                          std::span<const int64_t> row_order = {});

  // The same for a decoder linear: integers where the directory or the options' scheme has them for
  // this one.
  enum class LinearKind { kUsual, kDown, kHead };
  WeightMatrix LoadWeight(const MatrixSpec& spec, LinearKind kind);

  std::vector<float> LoadVector(const std::string& name, std::vector<int64_t> shape);

  // PREFIX.weight and PREFIX.bias
  Linear LoadLinear(const std::string& prefix, int64_t outputs, int64_t inputs);
  LayerNormWeights LoadLayerNorm(const std::string& prefix, int64_t width);

  // One linear with partial LoRA; PREFIX.Plora_A.weight tells the rank. Ordinary LoRA of this
  // linear becomes another adapter, or, merged, part of the weight.
  struct LoraPart {
    std::string prefix;
    int64_t outputs = 0;
    float scale = 1.0f;
    int64_t first_output = 0;
  };
  PartialLoraLinear LoadPartialLora(std::span<const LoraPart> parts, int64_t inputs,
                                    LinearKind kind, std::span<const int64_t> row_order = {});

 private:
  WeightMatrix Remembered(const std::string& name, const std::function<WeightMatrix()>& pack);
  PackedMatrix PackFloats(const MatrixSpec& spec);
  WeightMatrix PackWeight(const MatrixSpec& spec, LinearKind kind);
  std::vector<TensorView> GetParts(const MatrixSpec& spec);
  TensorView Get(const std::string& name, const std::vector<int64_t>& shape);
  void CountBytes(uint64_t bytes);
  void AddPartialLora(const LoraPart& part, int64_t inputs, std::span<const int64_t> row_order,
                      PartialLoraLinear& linear);
  void AddLora(const LoraPart& part, std::span<const int64_t> row_order, PartialLoraLinear& linear);

  const WeightSource& source_;
  const LoadOptions& options_;
  const Compute& compute_;
  PackCache* packs_;
  const LoraAdapter* lora_;
  std::vector<AlignedBuffer> merged_;  // of the matrix at hand
  uint64_t loaded_bytes_ = 0;
};

}  // namespace ixc

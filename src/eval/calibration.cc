#include "eval/calibration.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "base/error.h"
#include "base/json.h"
#include "base/mapped_file.h"
#include "base/text_lines.h"
#include "cache/kv_cache.h"
#include "model/decoder_layout.h"

namespace ixc {
namespace {

struct LinearShape {
  const char* name;
  int64_t n, k;
};

std::array<LinearShape, 5> LinearShapes(const ModelConfig& config) {
  const int64_t hidden = config.hidden_size, inner = config.intermediate_size;
  const int64_t heads = config.num_heads * config.head_dim;
  const int64_t qkv = (config.num_heads + 2 * config.num_kv_heads) * config.head_dim;
  return {{{"attention.wqkv", qkv, hidden},
           {"attention.wo", hidden, heads},
           {"feed_forward.w1", inner, hidden},
           {"feed_forward.w3", inner, hidden},
           {"feed_forward.w2", hidden, inner}}};
}

// Hidden states of all samples, layer after layer.
class CalibrationRun {
 public:
  CalibrationRun(const WeightDirectory& directory, const std::vector<std::vector<int32_t>>& samples,
                 const Compute& compute)
      : directory_(directory),
        config_(DecoderConfigOf(directory.config)),
        shapes_(LinearShapes(directory.config)),
        qkv_order_(QkvRowOrder(directory.config)),
        compute_(compute) {
    const TensorView embeddings = directory.checkpoint.Get(
        "model.tok_embeddings.weight", {config_.vocab_size, config_.hidden_size});
    const size_t row_bytes = static_cast<size_t>(config_.hidden_size) * SizeOf(embeddings.dtype);
    for (const std::vector<int32_t>& ids : samples) {
      Matrix& hidden = hidden_.emplace_back(static_cast<int64_t>(ids.size()), config_.hidden_size);
      for (size_t i = 0; i < ids.size(); ++i) {
        const std::vector<float> row =
            ReadAsFloat({embeddings.dtype,
                         {config_.hidden_size},
                         embeddings.data + static_cast<size_t>(ids[i]) * row_bytes},
                        "model.tok_embeddings.weight");
        std::copy(row.begin(), row.end(), hidden.Row(static_cast<int64_t>(i)));
      }
    }
  }

  int num_layers() const { return static_cast<int>(directory_.config.num_layers); }
  const std::array<LinearShape, 5>& shapes() const { return shapes_; }
  std::span<const int64_t> qkv_order() const { return qkv_order_; }

  static std::string PrefixOf(int layer) { return "model.layers." + std::to_string(layer) + "."; }

  // Number `linear` of shapes().
  TensorView Weight(int layer, size_t linear) const {
    const LinearShape& shape = shapes_[linear];
    return directory_.checkpoint.Get(PrefixOf(layer) + shape.name + ".weight", {shape.n, shape.k});
  }

  std::vector<float> GetVector(int layer, const std::string& name) const {
    return ReadAsFloat(directory_.checkpoint.Get(PrefixOf(layer) + name, {config_.hidden_size}),
                       name);
  }

  // Takes every sample through one layer; progress is that of the whole run.
  void RunLayer(int index, DecoderLayer layer,
                const std::function<void(DecoderInput, MatrixView)>& on_input,
                const std::function<void(double share)>& on_progress) {
    std::vector<DecoderLayer> one;
    one.push_back(std::move(layer));
    const Decoder decoder(config_, std::move(one), {}, PackedMatrix());
    const auto num_samples = static_cast<double>(hidden_.size());
    double done = index * num_samples;
    for (Matrix& hidden : hidden_) {
      KvCache cache({config_.num_kv_heads, config_.head_dim, DType::kF32}, 1);
      cache.Reserve(hidden.rows());
      RopeTable rope(config_.rope);
      SequenceRows rows;
      rows.count = rows.total_length = hidden.rows();
      rows.blocks = [&cache](int at) { return cache.Blocks(at); };
      rows.rope = &rope;
      ForwardPass pass;
      pass.kv = cache.shape();
      pass.sequences = std::span(&rows, 1);
      pass.on_input = on_input;
      decoder.Forward(hidden, pass, compute_);
      done += 1;
      if (on_progress) on_progress(done / (num_layers() * num_samples));
    }
  }

 private:
  const WeightDirectory& directory_;
  DecoderConfig config_;
  std::array<LinearShape, 5> shapes_;  // wqkv, wo, w1, w3, w2
  std::vector<int64_t> qkv_order_;
  const Compute& compute_;
  std::vector<Matrix> hidden_;
};

// Rounded weights as floats, packed.
PackedMatrix PackFake(std::span<const QuantizedLinear> linears, std::span<const int64_t> row_order,
                      const Compute& compute) {
  std::vector<std::vector<float>> values;
  std::vector<TensorView> parts;
  for (const QuantizedLinear& linear : linears) {
    auto& fake = values.emplace_back(static_cast<size_t>(linear.n() * linear.k()));
    const auto k = static_cast<size_t>(linear.k());
    compute.pool->ParallelFor(linear.n(), 8, [&](int64_t first, int64_t last) {
      for (int64_t row = first; row < last; ++row) {
        FakeQuantizeRow(linear, row, std::span(fake).subspan(static_cast<size_t>(row) * k, k));
      }
    });
    parts.push_back(
        {DType::kF32, {linear.n(), linear.k()}, reinterpret_cast<const std::byte*>(fake.data())});
  }
  return PackMatrix(parts, DType::kF32, row_order, compute);
}

PackedMatrix PackStored(const TensorView& weight, const Compute& compute) {
  return PackMatrix(std::span(&weight, 1), weight.dtype, {}, compute);
}

// What the two kinds of layers share.
DecoderLayer LayerWithNorms(const CalibrationRun& run, int index) {
  DecoderLayer layer;
  layer.attention_norm = run.GetVector(index, "attention_norm.weight");
  layer.ffn_norm = run.GetVector(index, "ffn_norm.weight");
  return layer;
}

// The linears of a layer that have static schemes: all but w2.
std::vector<QuantizedLinear> MeasureLayer(const CalibrationRun& run, int index,
                                          const CalibrationOptions& options,
                                          const Compute& compute) {
  std::vector<QuantizedLinear> linears(4);
  for (size_t i = 0; i < linears.size(); ++i) {
    linears[i].prefix = run.PrefixOf(index) + run.shapes()[i].name;
    linears[i].weight = run.Weight(index, i);
    linears[i].scheme = options.scheme;
    MeasureOptions measure;
    measure.fraction = options.fraction;
    MeasureWeights(linears[i], measure, compute);
  }
  return linears;
}

DecoderLayer FakeLayer(const CalibrationRun& run, int index,
                       std::span<const QuantizedLinear> linears, const Compute& compute) {
  DecoderLayer layer = LayerWithNorms(run, index);
  layer.wqkv.weight = PackFake(linears.subspan(0, 1), run.qkv_order(), compute);
  layer.wo.weight = PackFake(linears.subspan(1, 1), {}, compute);
  layer.gate_up.weight = PackFake(linears.subspan(2, 2), {}, compute);
  layer.w2.weight = PackStored(run.Weight(index, 4), compute);
  return layer;
}

DecoderLayer FloatLayer(const CalibrationRun& run, int index, const Compute& compute) {
  DecoderLayer layer = LayerWithNorms(run, index);
  const TensorView qkv[] = {run.Weight(index, 0)};
  const TensorView gate_up[] = {run.Weight(index, 2), run.Weight(index, 3)};
  layer.wqkv.weight = PackMatrix(qkv, qkv[0].dtype, run.qkv_order(), compute);
  layer.wo.weight = PackStored(run.Weight(index, 1), compute);
  layer.gate_up.weight = PackMatrix(gate_up, gate_up[0].dtype, {}, compute);
  layer.w2.weight = PackStored(run.Weight(index, 4), compute);
  return layer;
}

}  // namespace

std::vector<std::string> ReadCalibrationTexts(const std::filesystem::path& path) {
  const MappedFile file(path);
  std::vector<std::string> texts;
  std::string_view rest = file.text();
  for (int number = 1; !rest.empty(); ++number) {
    const std::string_view line = TakeLine(rest);
    if (IsBlank(line)) continue;
    const std::string where = fmt::format("{}: line {}", path.string(), number);
    const Json json = ParseJson(line, where);
    const JsonFields fields(json, where);
    texts.push_back(fields.StringOr("inputs_pretokenized", std::string(line)));
  }
  if (texts.empty()) {
    Fail("{}: no calibration text: wanted lines such as {{\"inputs_pretokenized\": \"text\"}}",
         path.string());
  }
  return texts;
}

std::vector<std::vector<int32_t>> TokenizeCalibration(const std::vector<std::string>& texts,
                                                      const Tokenizer& tokenizer,
                                                      int64_t max_tokens) {
  std::vector<std::vector<int32_t>> samples;
  for (const std::string& text : texts) {
    samples.push_back(tokenizer.EncodeWithBos(text));
    const auto count = static_cast<int64_t>(samples.back().size());
    if (count > max_tokens) {
      Fail("calibration text {} has {} tokens, the model takes {}", samples.size(), count,
           max_tokens);
    }
  }
  return samples;
}

std::vector<QuantizedLinear> CalibrateStatic(const WeightDirectory& directory,
                                             const std::vector<std::vector<int32_t>>& samples,
                                             const CalibrationOptions& options,
                                             const Compute& compute) {
  CalibrationRun run(directory, samples, compute);
  std::vector<QuantizedLinear> calibrated;
  for (int index = 0; index < run.num_layers(); ++index) {
    std::vector<QuantizedLinear> linears = MeasureLayer(run, index, options, compute);
    InputRange ranges[3];  // of wqkv, wo, and w1 with w3
    run.RunLayer(
        index, FakeLayer(run, index, linears, compute),
        [&](DecoderInput which, MatrixView x) {
          if (which == DecoderInput::kDown) return;
          InputRange& range = ranges[static_cast<size_t>(which)];
          range.Add(x);
          FakeQuantize(x, range.parameters());
        },
        options.on_progress);
    for (size_t i = 0; i < linears.size(); ++i) {
      linears[i].input = ranges[std::min<size_t>(i, 2)].parameters();
      calibrated.push_back(std::move(linears[i]));
    }
  }
  return calibrated;
}

std::map<std::string, std::vector<float>> MeasureImportance(
    const WeightDirectory& directory, const std::vector<std::vector<int32_t>>& samples,
    const std::function<void(double share)>& on_progress, const Compute& compute) {
  CalibrationRun run(directory, samples, compute);
  std::map<std::string, std::vector<float>> importance;
  for (int index = 0; index < run.num_layers(); ++index) {
    std::array<std::vector<double>, 4> squares;
    double rows = 0;
    run.RunLayer(
        index, FloatLayer(run, index, compute),
        [&](DecoderInput which, MatrixView x) {
          auto& sums = squares[static_cast<size_t>(which)];
          sums.resize(static_cast<size_t>(x.cols), 0.0);
          if (which == DecoderInput::kQkv) rows += static_cast<double>(x.rows);
          for (int64_t row = 0; row < x.rows; ++row) {
            for (int64_t i = 0; i < x.cols; ++i) {
              const auto value = static_cast<double>(x.Row(row)[i]);
              sums[static_cast<size_t>(i)] += value * value;
            }
          }
        },
        on_progress);
    constexpr size_t kInputOf[] = {0, 1, 2, 2, 3};
    for (size_t i = 0; i < run.shapes().size(); ++i) {
      auto& means = importance[run.PrefixOf(index) + run.shapes()[i].name];
      for (double sum : squares[kInputOf[i]]) means.push_back(static_cast<float>(sum / rows));
    }
  }
  return importance;
}

}  // namespace ixc

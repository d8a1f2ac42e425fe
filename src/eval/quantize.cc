#include "eval/quantize.h"

#include <algorithm>
#include <map>
#include <tuple>
#include <vector>

#include "base/atomic_directory.h"
#include "base/atomic_file.h"
#include "base/error.h"
#include "base/json.h"
#include "eval/calibration.h"
#include "formats/tensor_catalog.h"
#include "formats/weight_directory.h"
#include "quant/copied_files.h"
#include "quant/quantized_linear.h"
#include "text/tokenizer.h"

namespace ixc {
namespace {

namespace fs = std::filesystem;

// Of the tensors that this project adds to the formats of the original.
constexpr const char* kFormatVersion = "1.0.0";

// Where a tensor stands in the model: embeddings, layers, norm, head, everything else.
using ModulePlace = std::tuple<int, int64_t, size_t, int, std::string>;

ModulePlace PlaceOf(std::string_view name) {
  constexpr std::string_view kLayers = "model.layers.";
  constexpr std::string_view kParts[] = {"attention.wqkv",  "attention.wo",    "feed_forward.w1",
                                         "feed_forward.w3", "feed_forward.w2", "attention_norm",
                                         "ffn_norm"};
  const std::string whole(name);
  if (name.starts_with("model.tok_embeddings.")) return {0, 0, 0, 0, whole};
  if (name.starts_with("model.norm.")) return {2, 0, 0, 0, whole};
  if (name.starts_with("output.")) return {3, 0, 0, 0, whole};
  if (!name.starts_with(kLayers)) return {4, 0, 0, 0, whole};
  const std::string rest = whole.substr(kLayers.size());
  const size_t dot = rest.find('.');
  const std::string_view part = std::string_view(rest).substr(dot + 1);
  size_t index = 0;
  while (index < std::size(kParts) && !part.starts_with(kParts[index])) ++index;
  const int adapter = part.find("Plora_") != part.npos ? 1 : 0;
  return {1, std::stoll(rest.substr(0, dot)), index, adapter, whole};
}

std::vector<std::string> ModuleOrder(const Checkpoint& checkpoint) {
  std::vector<std::string> names;
  for (std::string_view name : checkpoint.names()) names.emplace_back(name);
  std::sort(names.begin(), names.end(),
            [](const std::string& a, const std::string& b) { return PlaceOf(a) < PlaceOf(b); });
  return names;
}

bool IsDecoderLinear(const std::string& name) {
  const auto [kind, layer, part, adapter, whole] = PlaceOf(name);
  return kind == 3 || (kind == 1 && part < 5 && adapter == 0);
}

class Quantizer {
 public:
  Quantizer(const fs::path& source, const QuantizeOptions& options, const Compute& compute)
      : source_(source), options_(options), compute_(compute) {
    directory_ = WeightDirectory::Open(source);
    if (directory_.quantization) {
      Fail("{}: is quantized already ({}); start from the float directory", source.string(),
           directory_.quantization->type);
    }
  }

  void Measure() {
    const std::vector<std::vector<int32_t>> samples = Samples();
    if (!IsStatic(options_.scheme)) return MeasureAll(samples);
    CalibrationOptions calibration;
    calibration.scheme = options_.scheme;
    calibration.fraction = options_.fraction;
    calibration.on_progress = [this](double share) { Progress("calibrating", share); };
    for (QuantizedLinear& linear : CalibrateStatic(directory_, samples, calibration, compute_)) {
      linears_.emplace(linear.prefix + ".weight", std::move(linear));
    }
  }

  QuantizeReport Write(const fs::path& to) {
    const std::string scheme = Name(options_.scheme);
    report_.file = "quant_model_weight_" + scheme + ".safetensors";
    std::vector<TensorSource> sources;
    Json description = Description();
    for (const std::string& name : ModuleOrder(directory_.checkpoint)) {
      const auto linear = linears_.find(name);
      if (linear == linears_.end()) {
        description[name] = "FLOAT";
        sources.push_back(SourceOf(name, *directory_.checkpoint.Find(name)));
        continue;
      }
      report_.num_linears += 1;
      report_.num_weights += static_cast<uint64_t>(linear->second.weight.NumElements());
      for (TensorSource& tensor : TensorsOf(linear->second, DeqScaleType(), compute_)) {
        description[tensor.name] = TagOf(linear->second.scheme);
        report_.quantized_bytes += tensor.NumBytes();
        sources.push_back(std::move(tensor));
      }
    }
    for (const TensorSource& tensor : sources) report_.num_bytes += tensor.NumBytes();
    ReportWriting(sources);
    WriteSafetensors(to / report_.file, std::move(sources));
    WriteWholeFile(to / DescriptionName(), ToText(description, 2));
    WriteConfig(to);
    CopySmallFiles(source_, to);
    return std::move(report_);
  }

 private:
  void Progress(const char* stage, double share) const {
    if (options_.on_progress) options_.on_progress(stage, share);
  }

  std::vector<std::vector<int32_t>> Samples() const {
    const bool searches = options_.scheme == QuantScheme::kW4 && options_.search;
    if (!IsStatic(options_.scheme) && !searches) return {};
    if (options_.calibration_file.empty()) {
      if (searches) return {};
      Fail("{} needs calibration texts: give a file of JSON lines (--calib FILE.jsonl)",
           Name(options_.scheme));
    }
    return TokenizeCalibration(ReadCalibrationTexts(options_.calibration_file),
                               Tokenizer::Load(source_),
                               MaxPromptTokens(directory_.kind, directory_.config));
  }

  // The schemes that need no calibration take every linear of the decoder and the head, which is
  // in eight bits always: four cost it most.
  void MeasureAll(const std::vector<std::vector<int32_t>>& samples) {
    std::map<std::string, std::vector<float>> importance;
    if (!samples.empty()) {
      importance = MeasureImportance(
          directory_, samples, [this](double share) { Progress("calibrating", share); }, compute_);
    }
    std::vector<std::string> names;
    for (const std::string& name : ModuleOrder(directory_.checkpoint)) {
      if (IsDecoderLinear(name)) names.push_back(name);
    }
    for (size_t i = 0; i < names.size(); ++i) {
      Progress("rounding weights", static_cast<double>(i) / static_cast<double>(names.size()));
      QuantizedLinear linear;
      linear.prefix = LinearOf(names[i]);
      linear.weight = *directory_.checkpoint.Find(names[i]);
      if (linear.weight.shape.size() != 2) {
        Fail("tensor '{}' wanted a matrix, found {}", names[i], ShapeString(linear.weight.shape));
      }
      const bool is_head = linear.prefix == "output";
      linear.scheme = is_head ? QuantScheme::kW8A8D : options_.scheme;
      linear.group = linear.scheme == QuantScheme::kW4 ? options_.group : 0;
      MeasureOptions measure;
      measure.search = options_.search;
      if (const auto it = importance.find(linear.prefix); it != importance.end()) {
        measure.importance = it->second;
      }
      MeasureWeights(linear, measure, compute_);
      linears_.emplace(names[i], std::move(linear));
    }
  }

  // Progress by bytes while the sources are written.
  void ReportWriting(std::vector<TensorSource>& sources) {
    for (TensorSource& tensor : sources) {
      tensor.write = [this, bytes = tensor.NumBytes(), write = tensor.write](ByteSink& out) {
        write(out);
        written_ += bytes;
        Progress("writing", static_cast<double>(written_) /
                                static_cast<double>(std::max<uint64_t>(report_.num_bytes, 1)));
      };
    }
  }

  DType DeqScaleType() const {
    return directory_.config.torch_dtype == DType::kBF16 ? DType::kF32 : DType::kI64;
  }

  bool IsOlderSpelling() const {
    return IsStatic(options_.scheme) && options_.spelling == DescriptionSpelling::kSafeTensor;
  }

  std::string DescriptionName() const {
    if (!IsOlderSpelling()) return "quant_model_description.json";
    return fmt::format("quant_model_description_{}.json", Name(options_.scheme));
  }

  Json Description() const {
    Json description;
    if (!IsOlderSpelling()) description["version"] = kFormatVersion;
    description["model_quant_type"] = TagOf(options_.scheme);
    if (options_.scheme == QuantScheme::kW4) description["group_size"] = options_.group;
    if (!IsStatic(options_.scheme)) {
      description["metadata"] = {{"format", "ixc"}, {"format_version", 1}};
    }
    return description;
  }

  void WriteConfig(const fs::path& to) const {
    Json config = ReadJsonFile(source_ / "config.json");
    if (!config.contains("torch_dtype")) config["torch_dtype"] = "float16";
    if (IsOlderSpelling()) {
      const bool sparse = options_.scheme == QuantScheme::kW8A8S;
      config["quantize"] = Name(options_.scheme);
      config["quantization_config"] = {{"group_size", 64},
                                       {"kv_quant_type", nullptr},
                                       {"fa_quant_type", nullptr},
                                       {"w_bit", sparse ? 4 : 8},
                                       {"a_bit", 8},
                                       {"dev_type", "cpu"},
                                       {"fraction", options_.fraction},
                                       {"act_method", 1},
                                       {"co_sparse", sparse},
                                       {"anti_method", ""},
                                       {"disable_level", "L0"},
                                       {"do_smooth", false},
                                       {"use_sigma", false},
                                       {"sigma_factor", 3.0},
                                       {"is_lowbit", false},
                                       {"mm_tensor", false},
                                       {"w_sym", true},
                                       {"open_outlier", true},
                                       {"is_dynamic", false}};
    }
    WriteWholeFile(to / "config.json", ToText(config, 4));
  }

  fs::path source_;
  const QuantizeOptions& options_;
  const Compute& compute_;
  WeightDirectory directory_;
  std::map<std::string, QuantizedLinear> linears_;  // by the name of their weight
  QuantizeReport report_;
  uint64_t written_ = 0;
};

}  // namespace

QuantizeReport QuantizeDirectory(const fs::path& source, const fs::path& destination,
                                 const QuantizeOptions& options, const Compute& compute) {
  Quantizer quantizer(source, options, compute);
  AtomicDirectory directory(destination);  // refuses before the work begins
  quantizer.Measure();
  QuantizeReport report = quantizer.Write(directory.temporary());
  directory.Commit();
  return report;
}

}  // namespace ixc

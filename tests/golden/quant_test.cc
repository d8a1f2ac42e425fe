// Quantized directories that the original tool wrote: their linears to the bit, the whole model
// within what a float32 engine may lose (golden/quant's README: rounding in the last bit can flip
// an activation's integer, and flips move logits).
#include <gtest/gtest.h>

#include "engine/generate.h"
#include "engine/pipeline.h"
#include "eval/calibration.h"
#include "eval/quantize.h"
#include "formats/running_names.h"
#include "formats/sha256.h"
#include "formats/weight_directory.h"
#include "model/quantized_loader.h"
#include "model/weight_loader.h"
#include "quant/compress.h"
#include "quant/nibble_codec.h"
#include "quant/tp_split.h"
#include "support/golden.h"
#include "unit/temp_dir.h"

namespace ixc {
namespace {

namespace fs = std::filesystem;
using testing::GoldenDir;
using testing::GoldenTensors;
using testing::MaxAbsDifference;
using testing::RelativeRms;

const char* const kSchemes[] = {"w8a8", "w8a8s"};

fs::path QuantDir() { return GoldenDir() / "quant"; }
fs::path Golden(const std::string& scheme) { return QuantDir() / ("vl-a-" + scheme + "-golden"); }

// The fixture's directory with the lora_adapter.json that the original leaves to its users.
class QuantizedDirectory {
 public:
  explicit QuantizedDirectory(const std::string& scheme) {
    for (const auto& entry : fs::directory_iterator(QuantDir() / ("vl-a-" + scheme))) {
      fs::create_symlink(fs::absolute(entry.path()), dir_.path() / entry.path().filename());
    }
    const std::string target = fs::absolute(GoldenDir() / "models" / "vl-a").string();
    dir_.Write("lora_adapter.json", "{\"internlmxc2\": \"" + target + "\"}");
  }
  const fs::path& path() const { return dir_.path(); }

 private:
  TempDir dir_;
};

std::unique_ptr<CheckpointWeights> OpenWeights(const fs::path& path) {
  WeightDirectory directory = WeightDirectory::Open(path);
  return std::make_unique<CheckpointWeights>(std::move(directory.checkpoint),
                                             std::move(directory.quantization));
}

// The exact vectors of every quantized linear, on every instruction set of this machine.
class QuantLinears : public ::testing::TestWithParam<const char*> {};

TEST_P(QuantLinears, AreExact) {
  const QuantizedDirectory directory(GetParam());
  const auto weights = OpenWeights(directory.path());
  const GoldenTensors golden(Golden(GetParam()) / "linears.safetensors");
  ThreadPool pool(2);
  int compared = 0;
  for (Isa isa : {Isa::kScalar, Isa::kAvx2, Isa::kAvx512Vnni}) {
    if (isa > BestIsa()) continue;
    const Compute compute{isa, &pool};
    const LoadOptions options;
    WeightLoader loader(*weights, options, compute);
    for (std::string_view name : weights->checkpoint().names()) {
      if (!name.ends_with(".deq_scale")) continue;
      const std::string prefix(name.substr(0, name.size() - 10));
      const auto& x = golden.Get(prefix + ".x");
      const auto& y = golden.Get(prefix + ".y");
      const WeightLoader::LoraPart part[] = {{prefix, y.shape[1], 1.0f}};
      const PartialLoraLinear linear =
          loader.LoadPartialLora(part, x.shape[1], WeightLoader::LinearKind::kUsual);
      ASSERT_TRUE(std::holds_alternative<QuantizedMatrix>(linear.weight));
      Matrix got(x.shape[0], y.shape[1]);
      const ConstMatrixView input{x.values.data(), x.shape[0], x.shape[1], x.shape[1]};
      linear.Apply(input, got, false, {}, compute);
      for (size_t i = 0; i < y.values.size(); ++i) {
        ASSERT_FLOAT_EQ(got.data()[i], y.values[i]) << prefix << " at " << i;
      }
      const RowRange image[] = {{2, 3}};
      linear.Apply(input, got, false, image, compute);
      EXPECT_LE(
          MaxAbsDifference(got.Row(2), golden.Get(prefix + ".y_image").values.data(), y.shape[1]),
          1e-4)
          << prefix;
      ++compared;
    }
  }
  EXPECT_GE(compared, 12);
}

// Activations and sums in between, made visible by weights of one and scales of one.
TEST_P(QuantLinears, ActivationsAndSumsAreExact) {
  const QuantizedDirectory directory(GetParam());
  const auto weights = OpenWeights(directory.path());
  const fs::path path = Golden(GetParam()) / "linears.safetensors";
  const MappedFile file(path);
  std::map<std::string, TensorView> golden;
  for (const NamedTensor& tensor : ParseSafetensors(file.bytes(), path.string()).tensors) {
    golden[tensor.name] = tensor.view;
  }
  ThreadPool pool(2);
  for (Isa isa : {Isa::kScalar, Isa::kAvx2, Isa::kAvx512Vnni}) {
    if (isa > BestIsa()) continue;
    const Compute compute{isa, &pool};
    for (std::string_view name : weights->checkpoint().names()) {
      if (!name.ends_with(".deq_scale")) continue;
      const std::string prefix(name.substr(0, name.size() - 10));
      const TensorView& acc = golden.at(prefix + ".acc");
      const TensorView& xq = golden.at(prefix + ".xq");
      const int64_t rows = xq.shape[0], k = xq.shape[1], n = acc.shape[1];
      const std::vector<float> x = ReadAsFloat(golden.at(prefix + ".x"), prefix);
      const ConstMatrixView input{x.data(), rows, k, k};
      const std::string names[] = {prefix + ".weight"};
      const std::vector<int64_t> shapes[] = {{n, k}};
      QuantizedMatrix w = LoadQuantized(*weights, {names, shapes, {}}, compute);
      std::fill(w.output_scale.begin(), w.output_scale.end(), 1.0f);
      Matrix sums(rows, n);
      QuantizedGemm(input, w, sums, {}, compute);
      for (int64_t i = 0; i < rows * n; ++i) {
        int32_t wanted;
        std::memcpy(&wanted, acc.data + i * 4, 4);
        ASSERT_EQ(sums.data()[i], static_cast<float>(wanted)) << prefix << " sum " << i;
      }
      QuantizedMatrix identity = PackQuantized(
          {QuantScheme::kW8A8, k, k, 0},
          [](int64_t row, const QuantizedRow& to) {
            std::fill(to.weights.begin(), to.weights.end(), int8_t{0});
            to.weights[static_cast<size_t>(row)] = 1;
          },
          compute);
      std::fill(identity.output_scale.begin(), identity.output_scale.end(), 1.0f);
      identity.input_scale = w.input_scale;
      identity.input_offset = w.input_offset;
      Matrix q(rows, k);
      QuantizedGemm(input, identity, q, {}, compute);
      for (int64_t i = 0; i < rows * k; ++i) {
        ASSERT_EQ(q.data()[i], static_cast<float>(static_cast<int8_t>(xq.data[i])))
            << prefix << " activation " << i;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Schemes, QuantLinears, ::testing::ValuesIn(kSchemes),
                         [](const auto& test) { return std::string(test.param); });

struct QuantCase {
  std::string scheme;
  std::string name;
};
void PrintTo(const QuantCase& test_case, std::ostream* out) {
  *out << test_case.scheme << "/" << test_case.name;
}

std::vector<Json> ReadCases(const std::string& scheme) {
  return ReadJsonFile(Golden(scheme) / "cases.json")["cases"];
}

std::vector<QuantCase> AllCases() {
  std::vector<QuantCase> cases;
  for (const char* scheme : kSchemes) {
    for (const Json& json : ReadCases(scheme)) {
      cases.push_back({scheme, json["name"]});
    }
  }
  return cases;
}

Pipeline& PipelineOf(const std::string& scheme) {
  static std::map<std::string, std::unique_ptr<Pipeline>> loaded;
  auto& pipeline = loaded[scheme];
  if (pipeline == nullptr) {
    const QuantizedDirectory directory(scheme);
    EngineOptions options;
    options.model_dir = directory.path().string();
    options.compute = ComputeMode::kFloat32;
    pipeline = Pipeline::Load(options);  // maps the files; the directory may go
  }
  return *pipeline;
}

// Text goes through the embedding table, image rows come from the reference's own run.
AssembledPrompt Assemble(const Pipeline& pipeline, const Json& json, const GoldenTensors& golden) {
  AssembledPrompt prompt;
  std::vector<float> rows;
  const int64_t hidden = pipeline.model().config().hidden_size;
  const auto append = [&](const float* from, int64_t count) {
    rows.insert(rows.end(), from, from + count * hidden);
  };
  for (const Json& segment : json["segments"]) {
    if (segment.contains("ids")) {
      const std::vector<int32_t> ids = segment["ids"];
      Matrix embeds(static_cast<int64_t>(ids.size()), hidden);
      pipeline.model().EmbedTokens(ids, embeds);
      append(embeds.data(), embeds.rows());
      prompt.input_ids.insert(prompt.input_ids.end(), ids.begin(), ids.end());
      continue;
    }
    const int64_t begin = prompt.num_tokens(), count = segment["tokens"];
    if (segment.contains("block")) {
      append(golden.Get(segment["block"]).values.data(), count);
    } else {
      const GoldenTensors source(GoldenDir() / "model-golden" / "vl-a" /
                                 (json["name"].get<std::string>() + ".safetensors"));
      append(source.Get("inputs_embeds").Row(begin), count);
    }
    prompt.input_ids.insert(prompt.input_ids.end(), static_cast<size_t>(count), -1);
    prompt.image_rows.push_back({begin, begin + count});
  }
  prompt.embeds = Matrix(prompt.num_tokens(), hidden);
  std::copy(rows.begin(), rows.end(), prompt.embeds.data());
  return prompt;
}

size_t ArgMax(const float* row, int64_t count) {
  return static_cast<size_t>(std::max_element(row, row + count) - row);
}

class QuantModel : public ::testing::TestWithParam<QuantCase> {};

TEST_P(QuantModel, StaysWithinTheNoise) {
  constexpr double kTolerance = 0.04;
  constexpr double kSafeGap = 0.5;
  const auto& [scheme, name] = GetParam();
  Json json;
  for (const Json& candidate : ReadCases(scheme)) {
    if (candidate["name"] == name) json = candidate;
  }
  const GoldenTensors golden(Golden(scheme) / (name + ".safetensors"));
  const Pipeline& pipeline = PipelineOf(scheme);
  EXPECT_EQ(pipeline.model().scheme_name(), scheme);
  const AssembledPrompt prompt = Assemble(pipeline, json, golden);
  ASSERT_EQ(prompt.num_tokens(), json["prompt_tokens"].get<int64_t>());

  Sequence sequence = pipeline.NewSequence();
  Pipeline::PrefillOptions all;
  all.all_rows = true;
  Matrix logits = pipeline.Logits(pipeline.Prefill(prompt, sequence, all));
  RelativeRms prefill;
  const std::vector<int64_t> rows = json["logit_rows"];
  for (size_t i = 0; i < rows.size(); ++i) {
    prefill.Add(logits.Row(rows[i]), golden.Get("logits_rows").Row(static_cast<int64_t>(i)),
                logits.cols());
  }
  EXPECT_LT(prefill.Value(), kTolerance);

  const std::vector<int64_t> decode_rows = json["decode_rows"];
  const std::vector<double> gaps = json["greedy_gaps"];
  RelativeRms decode;
  int64_t step = 0;
  DecodeHooks hooks;
  hooks.on_token = [&](int32_t id, std::span<const float> row) {
    const auto at = std::find(decode_rows.begin(), decode_rows.end(), step);
    if (at != decode_rows.end()) {
      decode.Add(row.data(), golden.Get("decode_logits_rows").Row(at - decode_rows.begin()),
                 static_cast<int64_t>(row.size()));
    }
    if (gaps[static_cast<size_t>(step)] > kSafeGap) {
      EXPECT_EQ(ArgMax(row.data(), logits.cols()), static_cast<size_t>(id)) << "step " << step;
    }
    ++step;
  };
  Matrix last(1, logits.cols());
  std::copy_n(logits.Row(logits.rows() - 1), logits.cols(), last.data());
  ForceTokens(pipeline, json["greedy_ids"].get<std::vector<int32_t>>(), std::move(last), sequence,
              hooks);
  EXPECT_LT(decode.Value(), kTolerance);
  RecordProperty("prefill", std::to_string(prefill.Value()));
  RecordProperty("decode", std::to_string(decode.Value()));
}

INSTANTIATE_TEST_SUITE_P(Cases, QuantModel, ::testing::ValuesIn(AllCases()), [](const auto& test) {
  return test.param.scheme + "_" + test.param.name;
});

// --- quantizing ---------------------------------------------------------------------------------

// All tensors of a directory's one weight file.
std::map<std::string, TensorView> TensorsIn(const TensorFile& file) {
  std::map<std::string, TensorView> tensors;
  for (const NamedTensor& tensor : file.contents().tensors) tensors[tensor.name] = tensor.view;
  return tensors;
}

class QuantizeGolden : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    options_.scheme = std::string(GetParam()) == "w8a8" ? QuantScheme::kW8A8 : QuantScheme::kW8A8S;
    options_.calibration_file = QuantDir() / "calibration.jsonl";
    // As the fixtures are spelled.
    options_.spelling = options_.scheme == QuantScheme::kW8A8 ? DescriptionSpelling::kSafeTensor
                                                              : DescriptionSpelling::kAscendV1;
    wanted_dir_ = QuantDir() / ("vl-a-" + std::string(GetParam()));
    file_name_ = "quant_model_weight_" + std::string(GetParam()) + ".safetensors";
  }

  ThreadPool pool_{2};
  const Compute compute_{BestIsa(), &pool_};
  QuantizeOptions options_;
  fs::path wanted_dir_;
  std::string file_name_;
  TempDir dir_;
};

// Scales within 5e-3 and offsets within 1 of the original's (the first layer's wqkv 1e-6 and
// exact), because its own forward is as sensitive to the last bit; weights exact.
TEST_P(QuantizeGolden, GivesWhatTheOriginalGives) {
  const fs::path out = dir_.path() / "out";
  QuantizeDirectory(GoldenDir() / "models" / "vl-a", out, options_, compute_);
  const TensorFile got_file(out / file_name_), wanted_file(wanted_dir_ / file_name_);
  const auto got = TensorsIn(got_file), wanted = TensorsIn(wanted_file);
  int exact = 0, scales = 0;
  for (const auto& [name, tensor] : wanted) {
    ASSERT_TRUE(got.contains(name)) << name;
    const TensorView& mine = got.at(name);
    EXPECT_EQ(mine.shape, tensor.shape) << name;
    if (name.ends_with(".input_scale") || name.ends_with(".input_offset")) {
      const float a = ReadAsFloat(mine, name)[0], b = ReadAsFloat(tensor, name)[0];
      const bool first = name.starts_with("model.layers.0.attention.wqkv.");
      const bool is_scale = name.ends_with("scale");
      EXPECT_NEAR(a, b, is_scale ? (first ? 1e-6f : 5e-3f) * b : (first ? 0.0f : 1.0f)) << name;
      ++scales;
    } else if (name.ends_with(".deq_scale") || name.ends_with(".quant_bias")) {
      EXPECT_EQ(mine.dtype, tensor.dtype) << name;  // functions of the others: next test
    } else if (IsFloat(tensor.dtype)) {
      EXPECT_EQ(ReadAsFloat(mine, name), ReadAsFloat(tensor, name)) << name;
    } else {
      ASSERT_EQ(mine.dtype, tensor.dtype) << name;
      EXPECT_EQ(std::memcmp(mine.data, tensor.data, tensor.NumBytes()), 0) << name;
      ++exact;
    }
  }
  EXPECT_EQ(exact, 12);
  EXPECT_EQ(scales, 24);
  for (const auto& [name, tensor] : got) {
    EXPECT_TRUE(wanted.contains(name) || Contains(name, ".Plora_")) << name;
  }
}

// With the original's own input parameters everything that follows from them is equal.
TEST_P(QuantizeGolden, BiasesAndScalesFollowExactly) {
  const WeightDirectory directory = WeightDirectory::Open(GoldenDir() / "models" / "vl-a");
  const TensorFile wanted_file(wanted_dir_ / file_name_);
  const auto wanted = TensorsIn(wanted_file);
  for (const auto& [name, scale] : wanted) {
    if (!name.ends_with(".input_scale")) continue;
    QuantizedLinear linear;
    linear.prefix = name.substr(0, name.size() - 12);
    linear.weight = *directory.checkpoint.Find(linear.prefix + ".weight");
    linear.scheme = options_.scheme;
    MeasureWeights(linear, {}, compute_);
    linear.input.scale = ReadAsFloat(scale, name)[0];
    linear.input.offset =
        static_cast<int32_t>(ReadAsFloat(wanted.at(linear.prefix + ".input_offset"), name)[0]);
    WriteSafetensors(dir_.path() / "x.safetensors", TensorsOf(linear, DType::kI64, compute_));
    const TensorFile written(dir_.path() / "x.safetensors");
    for (const NamedTensor& tensor : written.contents().tensors) {
      const TensorView& other = wanted.at(tensor.name);
      ASSERT_EQ(tensor.view.dtype, other.dtype) << tensor.name;
      EXPECT_EQ(std::memcmp(tensor.view.data, other.data, other.NumBytes()), 0) << tensor.name;
    }
  }
}

TEST_P(QuantizeGolden, DescriptionAndConfig) {
  const fs::path out = dir_.path() / "out";
  QuantizeDirectory(GoldenDir() / "models" / "vl-a", out, options_, compute_);
  for (const auto& entry : fs::directory_iterator(wanted_dir_)) {
    EXPECT_TRUE(fs::exists(out / entry.path().filename())) << entry.path().filename();
  }
  const std::string description = options_.spelling == DescriptionSpelling::kAscendV1
                                      ? "quant_model_description.json"
                                      : "quant_model_description_w8a8.json";
  const Json got = ReadJsonFile(out / description),
             wanted = ReadJsonFile(wanted_dir_ / description);
  for (const auto& [name, tag] : wanted.items()) {
    ASSERT_TRUE(got.contains(name)) << name;
    EXPECT_EQ(got[name], tag) << name;
  }
  for (const auto& [name, tag] : got.items()) {
    EXPECT_TRUE(wanted.contains(name) || tag == "FLOAT") << name;
  }
  EXPECT_EQ(ReadJsonFile(out / "config.json"), ReadJsonFile(wanted_dir_ / "config.json"));
  EXPECT_PRED2(Contains,
               ErrorOf([&] { QuantizeDirectory(out, dir_.path() / "again", options_, compute_); }),
               "quantized already");
}

TEST_P(QuantizeGolden, TokenIdsOfTheCalibration) {
  const Tokenizer tokenizer = Tokenizer::Load(GoldenDir() / "models" / "vl-a");
  const auto samples =
      TokenizeCalibration(ReadCalibrationTexts(options_.calibration_file), tokenizer, 4096);
  const Json json = ReadJsonFile(Golden("w8a8") / "calibration.json");  // the same for both
  EXPECT_EQ(samples, json["token_ids"].get<std::vector<std::vector<int32_t>>>());
}

INSTANTIATE_TEST_SUITE_P(Schemes, QuantizeGolden, ::testing::ValuesIn(kSchemes),
                         [](const auto& test) { return std::string(test.param); });

// --- compressing --------------------------------------------------------------------------------

// The integers of a compressed weight of one part, row-major.
std::vector<int8_t> Decompress(const std::map<std::string, TensorView>& tensors,
                               const std::string& prefix, std::vector<int64_t>& shape) {
  int64_t info[5];
  std::memcpy(info, tensors.at(prefix + ".info").data, sizeof info);
  shape = {info[3], info[2]};
  const auto bytes = [&](const std::string& name) {
    const TensorView& view = tensors.at(prefix + name);
    return std::span(view.data, view.NumBytes());
  };
  const NibbleDecoder decoder(shape[0], shape[1], bytes(".weight"), bytes(".index"), prefix);
  std::vector<int8_t> weights(static_cast<size_t>(shape[0] * shape[1]));
  const auto k = static_cast<size_t>(shape[1]);
  for (int64_t row = 0; row < shape[0]; ++row) {
    decoder.ReadRow(row, std::span(weights).subspan(static_cast<size_t>(row) * k, k));
  }
  return weights;
}

TEST(CompressGolden, PartsOfTwoRanksAreTheOriginals) {
  const QuantizedDirectory directory("w8a8s");
  const TempDir dir;
  CompressDirectory(directory.path(), dir.path() / "out", 2, {});
  const Json digests = ReadJsonFile(Golden("w8a8s") / "tp" / "tp2_weights.json");
  int compared = 0;
  for (int rank = 0; rank < 2; ++rank) {
    const std::string part = fmt::format("part{}-of-2", rank);
    const TensorFile file(dir.path() / "out" / part / "quant_model_weight_w8a8sc.safetensors");
    const auto got = TensorsIn(file);
    for (const auto& [name, digest] : digests[part].items()) {
      std::vector<int64_t> shape;
      const auto weights = Decompress(got, name.substr(0, name.size() - 7), shape);
      EXPECT_EQ(shape, digest["shape"].get<std::vector<int64_t>>()) << name;
      EXPECT_EQ(Sha256({reinterpret_cast<const uint8_t*>(weights.data()), weights.size()}),
                digest["sha256"].get<std::string>())
          << part << " " << name;
    }
    const TensorFile wanted(Golden("w8a8s") / "tp" / ("tp2_" + part + ".safetensors"));
    for (const NamedTensor& tensor : wanted.contents().tensors) {
      ASSERT_TRUE(got.contains(tensor.name)) << tensor.name;
      const TensorView& mine = got.at(tensor.name);
      EXPECT_EQ(mine.dtype, tensor.view.dtype) << tensor.name;
      ASSERT_EQ(mine.shape, tensor.view.shape) << tensor.name;
      EXPECT_EQ(std::memcmp(mine.data, tensor.view.data, mine.NumBytes()), 0) << tensor.name;
      ++compared;
    }
    // Floats, adapters and all: cut as the table says.
    const Json slices = ReadJsonFile(Golden("w8a8s") / "tp" / "tp2_slices.json")["tensors"];
    for (const auto& [name, slice] : slices.items()) {
      const auto mine = got.find(RunningName(name));
      if (mine == got.end()) continue;  // packed, compared above
      if (mine->first.ends_with(".weight") &&
          got.contains(RunningName(name.substr(0, name.size() - 7)) + ".info")) {
        continue;  // compressed, compared above
      }
      std::vector<int64_t> shape = slice["shape"];
      const Json& range = slice["ranks"][static_cast<size_t>(rank)];
      if (!range.is_null()) {
        shape[slice["split"] == "columns" ? 1 : 0] =
            range[1].get<int64_t>() - range[0].get<int64_t>();
      }
      EXPECT_EQ(mine->second.shape, shape) << name;
    }
  }
  EXPECT_EQ(compared, 2 * 36);
  EXPECT_PRED2(Contains, ErrorOf([&] { WeightDirectory::Open(dir.path() / "out"); }),
               "split for 2 ranks");
}

// A matrix split for two ranks and joined again is the one that was split.
TEST(CompressGolden, PartsJoinToTheWhole) {
  const QuantizedDirectory directory("w8a8s");
  const TempDir dir;
  CompressDirectory(directory.path(), dir.path() / "out", 2, {});
  const TensorFile source(QuantDir() / "vl-a-w8a8s" / "quant_model_weight_w8a8s.safetensors");
  const auto whole = TensorsIn(source);
  std::unique_ptr<TensorFile> files[2];
  std::map<std::string, TensorView> parts[2];
  for (size_t rank = 0; rank < 2; ++rank) {
    files[rank] =
        std::make_unique<TensorFile>(dir.path() / "out" / fmt::format("part{}-of-2", rank) /
                                     "quant_model_weight_w8a8sc.safetensors");
    parts[rank] = TensorsIn(*files[rank]);
  }
  int joined = 0;
  for (const auto& [name, tensor] : whole) {
    if (tensor.dtype != DType::kI8) continue;
    const int64_t n = tensor.shape[0], k = tensor.shape[1];
    const std::string prefix = RunningName(PackedName(name));
    const bool is_third = name.find(".w3.") != name.npos;
    std::string stored = prefix.substr(0, prefix.size() - 7);
    if (is_third) stored.replace(stored.find(".w3"), 3, ".w1_w3");
    std::vector<int8_t> got(static_cast<size_t>(n * k));
    for (size_t rank = 0; rank < 2; ++rank) {
      std::vector<int64_t> shape;
      const auto weights = Decompress(parts[rank], stored, shape);
      const bool by_columns = AxisOf(name) == SplitAxis::kColumns;
      const Slice slice = SliceOf(by_columns ? k : n, static_cast<int>(rank), 2);
      const int64_t first = is_third ? n / 2 : 0;  // below the rank's rows of w1
      for (int64_t row = 0; row < (by_columns ? n : slice.end - slice.begin); ++row) {
        const int64_t to = by_columns ? row * k + slice.begin : (slice.begin + row) * k;
        std::copy_n(weights.begin() + (first + row) * shape[1], shape[1], got.begin() + to);
      }
    }
    EXPECT_EQ(std::memcmp(got.data(), tensor.data, got.size()), 0) << name;
    ++joined;
  }
  EXPECT_EQ(joined, 12);
}

// The compressed directory runs and gives the bits of the one that it was made from.
TEST(CompressGolden, OnePartRuns) {
  const QuantizedDirectory directory("w8a8s");
  const TempDir dir;
  const CompressReport report = CompressDirectory(directory.path(), dir.path() / "out", 1, {});
  EXPECT_EQ(report.num_weights, 344064u);
  EngineOptions options;
  options.model_dir = (dir.path() / "out").string();
  options.compute = ComputeMode::kFloat32;
  const auto compressed = Pipeline::Load(options);
  const Pipeline& plain = PipelineOf("w8a8s");
  const Json json = ReadCases("w8a8s")[2];
  ASSERT_EQ(json["name"], "block");
  const GoldenTensors golden(Golden("w8a8s") / "block.safetensors");
  Matrix logits[2];
  const Pipeline* pipelines[] = {&plain, compressed.get()};
  for (size_t i = 0; i < 2; ++i) {
    Sequence sequence = pipelines[i]->NewSequence();
    const AssembledPrompt prompt = Assemble(*pipelines[i], json, golden);
    logits[i] = pipelines[i]->Logits(pipelines[i]->Prefill(prompt, sequence, {}));
  }
  EXPECT_EQ(MaxAbsDifference(logits[0].data(), logits[1].data(), logits[0].cols()), 0.0);
}

TEST(CompressGolden, PayloadsOfTheVendorAreExplained) {
  const QuantizedDirectory directory("w8a8s");
  const TempDir dir;
  const fs::path out = dir.path() / "out";
  CompressDirectory(directory.path(), out, 1, {});
  const fs::path path = out / "part0-of-1" / "quant_model_description.json";
  Json description = ReadJsonFile(path);
  description.erase("metadata");
  fs::remove(path);
  std::ofstream(path) << description.dump();
  EngineOptions options;
  options.model_dir = out.string();
  EXPECT_PRED2(Contains, ErrorOf([&] { Pipeline::Load(options); }), "vendor's own tool");
  EXPECT_PRED2(Contains, ErrorOf([&] {
                 CompressDirectory(GoldenDir() / "models" / "vl-a", dir.path() / "no", 1, {});
               }),
               "not quantized");
}

}  // namespace
}  // namespace ixc

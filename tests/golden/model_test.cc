// The whole model against the reference implementation in float32: every case of every checkpoint.
#include <gtest/gtest.h>

#include <fstream>

#include "engine/generate.h"
#include "engine/pipeline.h"
#include "image/decode.h"
#include "kernels/norm/norm.h"
#include "support/golden.h"
#include "text/stream_decoder.h"

namespace ixc {
namespace {

using testing::GoldenDir;
using testing::GoldenTensors;
using testing::MaxAbsDifference;
using testing::RelativeRms;

// What rounding in float32 may cost (the reference against itself in float64: 7e-5 in the logits).
constexpr double kLogitTolerance = 5e-4;
constexpr double kEmbeddingTolerance = 1e-4;

const char* const kModels[] = {"vl-a", "vl-b", "4khd-a"};

std::vector<Json> ReadCases(const std::string& model) {
  return ReadJsonFile(GoldenDir() / "model-golden" / model / "cases.json")["cases"];
}

Pipeline& PipelineOf(const std::string& model, ComputeMode mode) {
  static std::map<std::pair<std::string, ComputeMode>, std::unique_ptr<Pipeline>> loaded;
  auto& pipeline = loaded[{model, mode}];
  if (pipeline == nullptr) {
    EngineOptions options;
    options.model_dir = (GoldenDir() / "models" / model).string();
    options.compute = mode;
    pipeline = Pipeline::Load(options);
  }
  return *pipeline;
}

// JPEG files are read from the reference's own decoding: other decoders differ by a level or two.
Image LoadGoldenImage(const std::string& name) {
  const auto images = GoldenDir() / "images";
  const auto decoded = images / "decoded" / (std::filesystem::path(name).stem().string() + ".png");
  const bool is_jpeg = std::filesystem::path(name).extension() == ".jpg";
  return LoadImage((is_jpeg ? decoded : images / name).string());
}

Request RequestOf(const Json& json) {
  Request request;
  request.query = json["query"];
  request.system = json["meta_instruction"].get<std::string>();
  request.allow_control_tokens = true;
  request.image_marks = ImageMarks::kStrict;
  for (const Json& turn : json["history"]) {
    request.history.emplace_back(turn[0].get<std::string>(), turn[1].get<std::string>());
  }
  for (const Json& name : json["images"]) request.images.push_back(LoadGoldenImage(name));
  if (!json["hd_num"].is_null()) request.hd_num = {json["hd_num"].get<int>()};
  return request;
}

AssembledPrompt PrepareCase(const Pipeline& pipeline, const Request& request) {
  const PromptSequence prompt = pipeline.BuildPrompt(request);
  std::vector<EncodedPicture> pictures;
  for (size_t i = 0; i < request.images.size(); ++i) {
    pictures.push_back(pipeline.EncodePicture(request.images[i], HdNumOf(request, i), nullptr));
  }
  return pipeline.Assemble(prompt, pictures);
}

std::vector<int64_t> ExpectedIds(const Json& segments) {
  std::vector<int64_t> ids;
  for (const Json& segment : segments) {
    if (segment.contains("ids")) {
      for (const Json& id : segment["ids"]) ids.push_back(id.get<int64_t>());
    } else {
      ids.insert(ids.end(), segment["tokens"].get<size_t>(), -1);
    }
  }
  return ids;
}

struct Case {
  std::string model;
  std::string name;
};
void PrintTo(const Case& test_case, std::ostream* out) {
  *out << test_case.model << "/" << test_case.name;
}

std::vector<Case> AllCases() {
  std::vector<Case> cases;
  for (const char* model : kModels) {
    for (const Json& json : ReadCases(model)) {
      // A clone carries only part of the tensors.
      const std::string name = json["name"];
      if (std::filesystem::exists(GoldenDir() / "model-golden" / model / (name + ".safetensors"))) {
        cases.push_back({model, name});
      }
    }
  }
  return cases;
}

Json JsonOf(const Case& test_case) {
  for (const Json& json : ReadCases(test_case.model)) {
    if (json["name"] == test_case.name) return json;
  }
  return {};
}

class ModelGolden : public ::testing::TestWithParam<Case> {
 protected:
  void SetUp() override {
    json_ = JsonOf(GetParam());
    pipeline_ = &PipelineOf(GetParam().model, ComputeMode::kFloat32);
    golden_ = std::make_unique<GoldenTensors>(GoldenDir() / "model-golden" / GetParam().model /
                                              (GetParam().name + ".safetensors"));
    prompt_ = PrepareCase(*pipeline_, RequestOf(json_));
  }

  std::vector<int32_t> Greedy(float penalty, Matrix logits, const Sequence& sequence) {
    GenerationOptions options;
    options.repetition_penalty = penalty;
    options.max_new_tokens = 32;  // as many as the reference made
    Sequence fork = sequence.Fork();
    return GenerateTokens(*pipeline_, prompt_, std::move(logits), fork, options, {}).ids;
  }

  void CompareHidden(const std::vector<Matrix>& hidden, const std::vector<int64_t>& rows) {
    const auto& wanted = golden_->Get("hidden_rows");
    const int64_t num_rows = static_cast<int64_t>(rows.size());
    for (size_t layer = 0; layer + 1 < hidden.size(); ++layer) {  // the last one is final-normed
      for (int64_t i = 0; i < num_rows; ++i) {
        EXPECT_LE(MaxAbsDifference(hidden[layer].Row(rows[static_cast<size_t>(i)]),
                                   wanted.Row((static_cast<int64_t>(layer) + 1) * num_rows + i),
                                   hidden[layer].cols()),
                  kLogitTolerance)
            << "layer " << layer << " row " << rows[static_cast<size_t>(i)];
      }
    }
  }

  Json json_;
  Pipeline* pipeline_ = nullptr;
  std::unique_ptr<GoldenTensors> golden_;
  AssembledPrompt prompt_;
};

TEST_P(ModelGolden, PromptAndEmbeddings) {
  EXPECT_EQ(prompt_.input_ids, ExpectedIds(json_["segments"]));
  const int64_t hidden = pipeline_->model().config().hidden_size;
  if (golden_->Has("inputs_embeds")) {
    const auto& wanted = golden_->Get("inputs_embeds");
    EXPECT_LE(MaxAbsDifference(prompt_.embeds.data(), wanted.values.data(),
                               prompt_.num_tokens() * hidden),
              kEmbeddingTolerance);
  } else {
    const std::vector<int64_t> rows = json_["logit_rows"];
    for (size_t i = 0; i < rows.size(); ++i) {
      EXPECT_LE(
          MaxAbsDifference(prompt_.embeds.Row(rows[i]),
                           golden_->Get("inputs_embeds_rows").Row(static_cast<int64_t>(i)), hidden),
          kEmbeddingTolerance);
    }
  }
}

TEST_P(ModelGolden, LogitsAndText) {
  const std::vector<int64_t> rows = json_["logit_rows"];
  std::vector<Matrix> hidden;
  for (int i = 0; i < pipeline_->model().decoder().num_layers(); ++i) {
    hidden.emplace_back(prompt_.num_tokens(), pipeline_->model().config().hidden_size);
  }
  Pipeline::PrefillOptions prefill;
  prefill.all_rows = true;
  prefill.observe = [&](int layer, int64_t first, ConstMatrixView view) {
    std::copy_n(view.data, view.rows * view.cols, hidden[static_cast<size_t>(layer)].Row(first));
  };
  Sequence sequence = pipeline_->NewSequence();
  const Matrix last = pipeline_->Prefill(prompt_, sequence, prefill);
  CompareHidden(hidden, rows);

  const Matrix logits = pipeline_->Logits(last);
  for (size_t i = 0; i < rows.size(); ++i) {
    EXPECT_LE(
        MaxAbsDifference(logits.Row(rows[i]),
                         golden_->Get("logits_rows").Row(static_cast<int64_t>(i)), logits.cols()),
        kLogitTolerance)
        << "row " << rows[i];
  }
  const auto final_logits = [&] {
    Matrix row(1, logits.cols());
    std::copy_n(logits.Row(logits.rows() - 1), logits.cols(), row.data());
    return row;
  };

  const std::vector<int32_t> greedy = json_["greedy_ids"];
  EXPECT_EQ(Greedy(1.0f, final_logits(), sequence), greedy);
  for (const auto& [key, penalty] : {std::pair{"greedy_ids_repetition_penalty_1.005", 1.005f},
                                     std::pair{"greedy_ids_repetition_penalty_1.3", 1.3f}}) {
    if (!json_.contains(key) || json_[key].is_null()) continue;
    EXPECT_EQ(Greedy(penalty, final_logits(), sequence), json_[key].get<std::vector<int32_t>>())
        << key;
  }

  DecodeHooks hooks;
  int64_t step = 0;
  StreamDecoder decoder(pipeline_->tokenizer());
  std::string text;
  hooks.on_token = [&](int32_t id, std::span<const float> row) {
    EXPECT_LE(MaxAbsDifference(row.data(), golden_->Get("decode_logits").Row(step), logits.cols()),
              kLogitTolerance)
        << "step " << step;
    ++step;
    text += decoder.Push(id);
  };
  Sequence forced = sequence.Fork();
  ForceTokens(*pipeline_, greedy, final_logits(), forced, hooks);
  EXPECT_EQ(text + decoder.Finish(), json_["greedy_text"].get<std::string>());

  if (json_.contains("beam3_ids")) {
    GenerationOptions beams;
    beams.num_beams = 3;
    beams.repetition_penalty = 1.0f;
    const std::vector<int32_t> wanted = json_["beam3_ids"];
    beams.max_new_tokens = static_cast<int>(wanted.size());
    EXPECT_EQ(GenerateTokens(*pipeline_, prompt_, final_logits(), sequence, beams, {}).ids, wanted);
  }
}

INSTANTIATE_TEST_SUITE_P(Cases, ModelGolden, ::testing::ValuesIn(AllCases()), [](const auto& test) {
  std::string name = test.param.model + "_" + test.param.name;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
});

void CompareSamples(const Json& samples, const Matrix& matrix, const std::string& what) {
  const std::vector<int64_t> offsets = samples["offsets"];
  const std::vector<float> values = samples["values"];
  double worst = 0;
  for (size_t i = 0; i < offsets.size(); ++i) {
    worst = std::max(worst, MaxAbsDifference(matrix.data() + offsets[i], &values[i], 1));
  }
  EXPECT_LE(worst, kEmbeddingTolerance) << what;
}

TEST(VisionGolden, TowerSeparatorsAndProjector) {
  for (const char* model : kModels) {
    const Pipeline& pipeline = PipelineOf(model, ComputeMode::kFloat32);
    const Json json = ReadJsonFile(GoldenDir() / "model-golden" / model / "vision.json");
    for (const Json& wanted : json["images"]) {
      const std::string name = wanted["image"];
      const int hd_num = wanted["hd_num"].is_null() ? 0 : wanted["hd_num"].get<int>();
      const EncodedPicture picture = pipeline.EncodePicture(LoadGoldenImage(name), hd_num, nullptr);
      ASSERT_EQ(picture.prepared.num_views(), wanted["tiles"].get<int>()) << name;
      ASSERT_EQ(picture.embeds.rows(), wanted["tokens"].get<int64_t>()) << name;
      const std::string what = std::string(model) + "/" + name;
      CompareSamples(wanted["feature_samples"], picture.features, what + " features");
      CompareSamples(wanted["embed_samples"], picture.embeds, what + " embeds");
    }
  }
}

// Half precision storage is judged by 1.5 times what the reference itself loses in that type.
TEST(ModelGoldenNative, LosesNoMoreThanTheReferenceInHalfPrecision) {
  for (const char* model : kModels) {
    const Json json = ReadCases(model)[0];
    const std::string dtype = std::string(model) == "vl-a" ? "float16" : "bfloat16";
    const Json& reference = json["low_precision_reference"][dtype];
    Pipeline& pipeline = PipelineOf(model, ComputeMode::kNative);
    const GoldenTensors golden(GoldenDir() / "model-golden" / model /
                               (json["name"].get<std::string>() + ".safetensors"));
    const AssembledPrompt prompt = PrepareCase(pipeline, RequestOf(json));
    Sequence sequence = pipeline.NewSequence();
    Matrix logits = pipeline.Logits(pipeline.Prefill(prompt, sequence, {}));
    RelativeRms decode;
    int64_t step = 0;
    DecodeHooks hooks;
    hooks.on_token = [&](int32_t, std::span<const float> row) {
      decode.Add(row.data(), golden.Get("decode_logits").Row(step++),
                 static_cast<int64_t>(row.size()));
    };
    ForceTokens(pipeline, json["greedy_ids"].get<std::vector<int32_t>>(), std::move(logits),
                sequence, hooks);
    EXPECT_LE(decode.Value(), 1.5 * reference["decode_teacher_forced"]["rel_rms"].get<double>())
        << model;
  }
}

}  // namespace
}  // namespace ixc

// ixc trace: every named intermediate tensor of one run, as a safetensors file, for whoever doubts
// a number. Text goes in raw: no marks are added and control strings are control tokens, as in the
// reference. docs/trace.md lists the names.
#include <algorithm>

#include "base/error.h"
#include "cli/commands.h"
#include "cli/interrupt.h"
#include "cli/progress.h"
#include "cli/request_builder.h"
#include "engine/generate.h"
#include "engine/pipeline.h"
#include "formats/safetensors.h"
#include "text/stream_decoder.h"

namespace ixc {

namespace {

// Tensors on their way to the file; owns what it is given.
class TraceFile {
 public:
  void AddFloats(const std::string& name, std::vector<int64_t> shape, std::vector<float> values) {
    Add(name, DType::kF32, std::move(shape), std::as_bytes(std::span(values)));
  }
  void AddMatrix(const std::string& name, ConstMatrixView matrix) {
    std::vector<float> values;
    values.reserve(static_cast<size_t>(matrix.rows * matrix.cols));
    for (int64_t row = 0; row < matrix.rows; ++row) {
      values.insert(values.end(), matrix.Row(row), matrix.Row(row) + matrix.cols);
    }
    AddFloats(name, {matrix.rows, matrix.cols}, std::move(values));
  }
  template <typename T>
  void AddIntegers(const std::string& name, DType dtype, const std::vector<T>& values) {
    Add(name, dtype, {static_cast<int64_t>(values.size())}, std::as_bytes(std::span(values)));
  }
  void AddText(const std::string& key, const std::string& value) { metadata_[key] = value; }

  void Save(const std::string& path) const {
    std::vector<TensorSource> sources;
    for (const auto& [name, stored] : tensors_) {
      sources.push_back(SourceOf(name, {stored.dtype, stored.shape, stored.bytes.data()}));
    }
    WriteSafetensors(path, std::move(sources), metadata_);
  }

 private:
  struct Stored {
    DType dtype;
    std::vector<int64_t> shape;
    std::vector<std::byte> bytes;
  };
  void Add(const std::string& name, DType dtype, std::vector<int64_t> shape,
           std::span<const std::byte> bytes) {
    tensors_.emplace_back(name, Stored{dtype, std::move(shape), {bytes.begin(), bytes.end()}});
  }

  std::vector<std::pair<std::string, Stored>> tensors_;
  std::map<std::string, std::string> metadata_;
};

void RecordPictures(const Pipeline& pipeline, std::span<const EncodedPicture> pictures,
                    TraceFile& file) {
  if (pictures.empty()) return;
  const VisionTowerConfig& tower = pipeline.model().tower().config();
  int64_t views = 0;
  int64_t tokens = 0;
  std::vector<float> pixels, features, embeds;
  for (const EncodedPicture& picture : pictures) {
    views += picture.prepared.num_views();
    tokens += picture.embeds.rows();
    const auto append = [](std::vector<float>& to, const Matrix& from) {
      to.insert(to.end(), from.data(), from.data() + from.rows() * from.cols());
    };
    append(pixels, picture.prepared.pixels);
    append(features, picture.features);
    append(embeds, picture.embeds);
  }
  file.AddFloats("pixel_values", {views, 3, tower.view_size, tower.view_size}, std::move(pixels));
  file.AddFloats("vision_features", {views, tower.num_patches(), tower.width}, std::move(features));
  file.AddFloats("image_embeds", {tokens, pipeline.model().config().hidden_size},
                 std::move(embeds));
}

void RecordPrompt(const AssembledPrompt& prompt, TraceFile& file) {
  file.AddIntegers("input_ids", DType::kI64, prompt.input_ids);
  std::vector<uint8_t> mask(prompt.input_ids.size());
  std::transform(prompt.input_ids.begin(), prompt.input_ids.end(), mask.begin(),
                 [](int64_t id) { return static_cast<uint8_t>(id < 0 ? 1 : 0); });
  file.AddIntegers("im_mask", DType::kU8, mask);
  file.AddMatrix("inputs_embeds", prompt.embeds);
  file.AddText("prompt", prompt.text);
}

// Runs the prompt and records hidden states and logits; returns the logits of the last position.
Matrix RunPrompt(const Pipeline& pipeline, const TraceOptions& options,
                 const AssembledPrompt& prompt, Sequence& sequence, TraceFile& file) {
  const int num_layers = pipeline.model().decoder().num_layers();
  std::vector<Matrix> hidden;
  Pipeline::PrefillOptions prefill;
  prefill.all_rows = options.all_logits;
  prefill.is_cancelled = IsInterrupted;
  if (options.hidden) {
    for (int i = 0; i < num_layers; ++i) {
      hidden.emplace_back(prompt.num_tokens(), pipeline.model().config().hidden_size);
    }
    prefill.observe = [&](int layer, int64_t first_row, ConstMatrixView rows) {
      std::copy_n(rows.data, rows.rows * rows.cols,
                  hidden[static_cast<size_t>(layer)].Row(first_row));
    };
  }
  const Matrix last = pipeline.Prefill(prompt, sequence, prefill);
  ThrowIfInterrupted();
  for (size_t i = 0; i < hidden.size(); ++i) {
    file.AddMatrix("hidden." + std::to_string(i), hidden[i]);
  }
  const Matrix logits = pipeline.Logits(last);
  file.AddMatrix("logits", logits);
  Matrix final_row(1, logits.cols());
  std::copy_n(logits.Row(logits.rows() - 1), logits.cols(), final_row.data());
  return final_row;
}

void RunDecoding(const Pipeline& pipeline, const TraceOptions& options,
                 const AssembledPrompt& prompt, Matrix logits, Sequence& sequence,
                 TraceFile& file) {
  std::vector<float> decode_logits;
  DecodeHooks hooks;
  hooks.is_cancelled = IsInterrupted;
  hooks.on_token = [&](int32_t, std::span<const float> row) {
    decode_logits.insert(decode_logits.end(), row.begin(), row.end());
  };
  std::vector<int32_t> ids = options.forced_ids;
  if (ids.empty()) {
    ids = GenerateTokens(pipeline, prompt, std::move(logits), sequence, options.prompt.generation,
                         hooks)
              .ids;
  } else {
    for (int32_t id : ids) {
      if (id < 0 || id >= pipeline.model().config().vocab_size) {
        Fail("--force-ids: {} is outside the vocabulary of {}", id,
             pipeline.model().config().vocab_size);
      }
    }
    ForceTokens(pipeline, ids, std::move(logits), sequence, hooks);
  }
  if (!decode_logits.empty()) {
    const int64_t vocab = pipeline.model().config().vocab_size;
    const int64_t rows = static_cast<int64_t>(decode_logits.size()) / vocab;
    file.AddFloats("decode_logits", {rows, vocab}, std::move(decode_logits));
  }
  StreamDecoder decoder(pipeline.tokenizer());
  std::string text;
  for (int32_t id : ids) text += decoder.Push(id);
  file.AddText("text", text + decoder.Finish());
  file.AddIntegers("generated_ids", DType::kI64, std::vector<int64_t>(ids.begin(), ids.end()));
}

}  // namespace

int Run(const TraceOptions& options) {
  CatchInterrupts();
  Request request = ToRequest(options.prompt, ImageMarks::kStrict);
  request.allow_control_tokens = true;
  AddPictures(options.prompt.images, options.prompt, request);
  Progress progress;
  const EngineOptions engine = ToEngineOptions(options.model, progress);
  const auto pipeline = Pipeline::Load(engine);

  TraceFile file;
  const PromptSequence prompt = pipeline->BuildPrompt(request);
  std::vector<EncodedPicture> pictures;
  std::vector<int64_t> image_tokens;
  for (size_t i = 0; i < request.images.size(); ++i) {
    image_tokens.push_back(pipeline->CountImageTokens(request.images[i], HdNumOf(request, i)));
  }
  pipeline->CheckMemory(request, pipeline->LayOut(prompt, image_tokens));
  for (size_t i = 0; i < request.images.size(); ++i) {
    pictures.push_back(pipeline->EncodePicture(request.images[i], HdNumOf(request, i), nullptr));
  }
  RecordPictures(*pipeline, pictures, file);
  const AssembledPrompt assembled = pipeline->Assemble(prompt, pictures);
  RecordPrompt(assembled, file);
  Sequence sequence = pipeline->NewSequence();
  Matrix logits = RunPrompt(*pipeline, options, assembled, sequence, file);
  RunDecoding(*pipeline, options, assembled, std::move(logits), sequence, file);
  ThrowIfInterrupted();  // half an answer is no trace
  file.AddText("model_kind", pipeline->model().kind() == ModelKind::kVl ? "vl" : "4khd");
  file.Save(options.output_file);
  return 0;
}

}  // namespace ixc

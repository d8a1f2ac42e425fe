// ixc bench prefill, decode, vision, load: a whole model, from a directory or made up.
//
// A made-up model has the real shapes and random weights; speed depends on nothing else. Its prompt
// is the usual one: system text and start of the question (137 tokens), one picture, the question.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <functional>
#include <random>

#include "base/clock.h"
#include "base/error.h"
#include "base/process_memory.h"
#include "cli/bench_session.h"
#include "cli/bench_timing.h"
#include "cli/interrupt.h"
#include "cli/request_builder.h"
#include "engine/pipeline.h"
#include "formats/model_kind.h"
#include "image/hd_geometry.h"
#include "kernels/gemm/gemm_table.h"
#include "kernels/limits/limits.h"
#include "model/prefill.h"
#include "model/work.h"

namespace ixc {

namespace {

constexpr int kWholeLayers = 32;  // of both 7B models
constexpr int64_t kTokensBefore = 137;
constexpr int64_t kTokensBehind = 14;
constexpr int kPictureSide = 1024;

// The config.json of the 7B models.
ModelSpec RealSpec(ModelKind kind, int num_layers) {
  ModelSpec spec;
  spec.kind = kind;
  ModelConfig& config = spec.config;
  config.hidden_size = 4096;
  config.intermediate_size = 14336;
  config.vocab_size = 92544;
  config.num_layers = num_layers == 0 ? kWholeLayers : num_layers;
  config.num_heads = 32;
  config.num_kv_heads = 8;
  config.head_dim = 128;
  config.rms_norm_eps = 1e-5;
  config.rope_theta = 1e6;
  config.rope_scaling = {RopeScaling::Type::kDynamic, 1.0};
  config.max_position_embeddings = 32768;
  config.max_length = kind == ModelKind::kVl ? 4096 : 16384;
  return spec;
}

double MachineMemoryGigabytes() {
  return static_cast<double>(::sysconf(_SC_PHYS_PAGES)) *
         static_cast<double>(::sysconf(_SC_PAGE_SIZE)) * 1e-9;
}

Image RandomPicture(int side) {
  Image image(side, side);
  std::minstd_rand random(1);
  for (uint8_t& value : image.rgb) value = static_cast<uint8_t>(random() >> 8);
  return image;
}

class ModelBench {
 public:
  explicit ModelBench(const BenchSession& session)
      : session_(session), engine_options_(MakeEngineOptions(session)) {}

  void Run() {
    ResetPeakMemory();
    Load();
    if (session_.Wants("vision")) Vision();
    if (session_.Wants("prefill") || session_.Wants("decode")) {
      const AssembledPrompt prompt = MakePrompt();
      Sequence sequence = pipeline_->NewSequence();
      if (session_.Wants("prefill")) {
        Prefill(prompt, sequence);
      } else {
        RunPrompt(prompt, sequence, "reading the prompt");
      }
      if (session_.Wants("decode")) {
        for (int clients : session_.options.clients) Decode(sequence, clients);
      }
    }
    Memory();
  }

 private:
  static EngineOptions MakeEngineOptions(const BenchSession& session) {
    ModelOptions options = session.options.model;
    if (!session.options.synthetic.empty()) {
      options.model_dir = session.options.synthetic;  // a name, never opened
    }
    return ToEngineOptions(options, session.progress);
  }

  bool is_synthetic() const { return !session_.options.synthetic.empty(); }
  const ModelConfig& config() const { return pipeline_->model().config(); }
  const Decoder& decoder() const { return pipeline_->model().decoder(); }
  std::string Scheme() const { return pipeline_->model().scheme_name(); }
  std::string KernelFor(int64_t rows) const {
    return KernelName(decoder().layers()[0].wqkv.weight, rows, pipeline_->compute().isa);
  }

  // Views and tokens of the picture that the prompt has.
  ViewGrid Grid() const {
    const XComposer2& model = pipeline_->model();
    if (model.kind() == ModelKind::kVl) return {};
    const HdGeometry plan = PlanHd(kPictureSide, kPictureSide, session_.options.hd_num,
                                   model.tower().config().view_size);
    return {plan.tile_rows, plan.tile_cols};
  }
  int64_t ImageTokens() const {
    const XComposer2& model = pipeline_->model();
    return NumImageTokens(model.image_layout(), Grid(), model.tower().config().patches_per_side());
  }

  std::unique_ptr<Pipeline> NewPipeline() const {
    const EngineOptions& options = engine_options_;
    if (!is_synthetic()) return Pipeline::Load(options);
    const ModelKind kind =
        session_.options.synthetic == "vl-7b" ? ModelKind::kVl : ModelKind::k4khd;
    const ModelSpec spec = RealSpec(kind, session_.options.num_layers);
    const DType dtype = options.dtype == "bf16" ? DType::kBF16 : DType::kF16;
    auto pool = std::make_unique<ThreadPool>(options.num_threads);
    const Compute compute{ChooseIsa(options.isa), pool.get()};
    LoadOptions load;
    load.scheme = ParseLoadScheme(options.scheme, options.group);
    load.random_integers = true;
    load.on_progress = options.on_load_progress;
    XComposer2 model = XComposer2::Build(
        std::make_unique<SyntheticWeights>(spec.config, kind, dtype), spec, load, compute);
    const DType kv = ChooseKvDtype(options, model.weight_dtype());
    return std::make_unique<Pipeline>(std::move(model), std::move(pool), compute.isa, kv);
  }

  void Load() {
    if (!session_.Wants("load")) {
      pipeline_ = NewPipeline();
      return;
    }
    const BenchTiming timing = Measure(
        [&] {
          pipeline_.reset();  // never two copies
          pipeline_ = NewPipeline();
        },
        session_.options.repeats);
    Figure figure = Rate("load." + Scheme(), AllWeightBytes(pipeline_->model()) * 1e-9, timing);
    figure.unit = "GB/s";
    figure.limit_figure = "limit.read";
    figure.shape = fmt::format("{:.2f} GB of packed weights, {} layers{}",
                               AllWeightBytes(pipeline_->model()) * 1e-9, decoder().num_layers(),
                               is_synthetic() ? ", from memory" : "");
    session_.report.Add(figure);
  }

  void Vision() {
    const Image picture = RandomPicture(kPictureSide);
    int64_t views = 0;
    const BenchTiming timing = Measure(
        [&] {
          const EncodedPicture encoded = pipeline_->EncodePicture(
              picture, session_.options.hd_num,
              [&](double share) { session_.progress.Update("looking at the picture", share); });
          views = encoded.prepared.num_views();
        },
        session_.options.repeats);
    const double operations =
        VisionOperations(config(), pipeline_->model().kind(), views, ImageTokens());
    Figure figure = Rate("vision", operations * 1e-9, timing);
    figure.unit = "GFLOP/s";
    figure.limit_figure = "limit.fp32";
    figure.kernel =
        ChooseGemm(pipeline_->model().weight_dtype(),
                   pipeline_->model().tower().config().num_patches(), pipeline_->compute().isa)
            .name;
    figure.shape = fmt::format("{} views of {} pixels, {} tokens", views,
                               pipeline_->model().tower().config().view_size, ImageTokens());
    session_.report.Add(figure);
  }

  AssembledPrompt MakePrompt() const {
    const int64_t image_tokens = ImageTokens();
    const int64_t usual = kTokensBefore + image_tokens + kTokensBehind;
    const int64_t wanted = session_.options.prompt_tokens;
    const int64_t tokens = wanted == 0 ? usual : wanted;
    const int64_t limit = MaxPromptTokens(pipeline_->model().kind(), pipeline_->model().config());
    if (tokens > limit) {
      Fail(
          "a prompt of {} tokens was asked for, the model takes {}; use --prompt-tokens or "
          "--hd-num",
          tokens, limit);
    }
    AssembledPrompt prompt;
    prompt.input_ids.assign(static_cast<size_t>(tokens), 1);
    // Longer texts come before the picture, shorter ones have no picture.
    if (tokens >= image_tokens + kTokensBehind) {
      const int64_t begin = tokens - image_tokens - kTokensBehind;
      prompt.image_rows.push_back({begin, begin + image_tokens});
      prompt.image_tokens = image_tokens;
      std::fill_n(prompt.input_ids.begin() + begin, image_tokens, -1);
    }
    prompt.embeds = Matrix(tokens, pipeline_->model().config().hidden_size);
    std::minstd_rand random(1);
    std::generate_n(prompt.embeds.data(), prompt.embeds.rows() * prompt.embeds.cols(), [&] {
      return static_cast<float>(static_cast<int>(random() % 2001) - 1000) * 5e-5f;
    });
    return prompt;
  }

  // Up to the logits that choose the first token.
  void RunPrompt(const AssembledPrompt& prompt, Sequence& sequence, const std::string& stage) {
    sequence = pipeline_->NewSequence();
    Pipeline::PrefillOptions options;
    options.on_progress = [&](double share) { session_.progress.Update(stage.c_str(), share); };
    options.is_cancelled = IsInterrupted;
    const Matrix last = pipeline_->Prefill(prompt, sequence, options);
    ThrowIfInterrupted();
    Head(last);
  }

  // The head runs once a call whatever the number of layers: its times are kept to extrapolate.
  void Head(const Matrix& hidden) {
    const auto begin = Clock::now();
    pipeline_->Logits(hidden);
    head_seconds_.push_back(SecondsSince(begin));
  }

  void Prefill(const AssembledPrompt& prompt, Sequence& sequence) {
    int run = 0;
    head_seconds_.clear();
    const BenchTiming timing = Measure(
        [&] { RunPrompt(prompt, sequence, fmt::format("reading the prompt, run {}", ++run)); },
        session_.options.repeats);
    const double tokens = static_cast<double>(prompt.num_tokens());
    Figure figure = Rate("prefill." + Scheme(), tokens, timing);
    figure.unit = "tokens/s";
    figure.limit_figure = "limit.fp32";
    figure.limit_scale = tokens * 1e9 /
                         PrefillOperations(config(), ElementsOf(decoder()), prompt.num_tokens(),
                                           prompt.image_tokens);
    figure.kernel = KernelFor(std::min(kPrefillRows, prompt.num_tokens()));
    figure.shape = fmt::format("{} tokens, {} of a picture, {} layers", prompt.num_tokens(),
                               prompt.image_tokens, decoder().num_layers());
    figure.extrapolation = Extrapolate(timing.median);
    session_.report.Add(figure);
  }

  // A token for each of `clients` sequences that have the past of `sequence`, a copy each; tokens
  // of all together count. In turn with every step its weights are read and nothing else: memory's
  // speed changes from one second to the next where other machines share it.
  void Decode(const Sequence& sequence, int clients) {
    const int64_t context = sequence.length();
    std::vector<Sequence> sequences;
    for (int client = 0; client < clients; ++client) {
      sequences.push_back(sequence.Fork());
      sequences.back().cache().Unshare();
    }
    const std::vector<std::span<const std::byte>> weights = DecodeWeights(decoder());
    size_t bytes_read = 0;
    const std::function<void()> works[] = {
        [&] { Step(sequences); }, [&] { bytes_read = ReadOnce(weights, pipeline_->compute()); }};
    head_seconds_.clear();
    const std::vector<BenchTiming> timings =
        MeasureInTurn(works, std::max(session_.options.repeats, 5));
    const BenchTiming& timing = timings[0];
    const std::string behind = clients == 1 ? "" : fmt::format(".{}", clients);
    Figure figure = Rate("decode." + Scheme() + behind, clients, timing);
    figure.unit = "tokens/s";
    figure.limit_figure = "limit.read";
    const double bytes =
        DecodeBytes(config(), BytesOf(decoder()), context * clients, pipeline_->kv_dtype());
    figure.limit_scale = 1e9 * clients / bytes;
    if (bytes_read > 0) {  // not a model of small matrices
      figure.limit = clients * static_cast<double>(bytes_read) / timings[1].median / bytes;
    }
    figure.kernel = KernelFor(clients);
    figure.shape = fmt::format("{} token{} behind {}, {} layers", clients, clients == 1 ? "" : "s",
                               context, decoder().num_layers());
    figure.extrapolation = Extrapolate(timing.median);
    session_.report.Add(figure);
  }

  void Step(std::vector<Sequence>& sequences) {
    const std::vector<int32_t> ids(sequences.size(), 1);
    Matrix hidden(static_cast<int64_t>(ids.size()), config().hidden_size);
    pipeline_->model().EmbedTokens(ids, hidden);
    std::vector<Pipeline::BatchRows> batch;
    for (Sequence& sequence : sequences) batch.push_back({&sequence, 1, sequence.length() + 1});
    pipeline_->Forward(hidden, batch, {});
    Head(hidden);
  }

  void Memory() {
    Figure figure;
    figure.figure = "memory." + Scheme();
    figure.value = figure.best = static_cast<double>(PeakMemoryBytes()) * 1e-9;
    figure.unit = "GB";
    figure.limit = MachineMemoryGigabytes();
    figure.shape = fmt::format("peak of this process, {} layers", decoder().num_layers());
    session_.report.Add(figure);
  }

  // What `amount` in one run is a second.
  static Figure Rate(const std::string& name, double amount, const BenchTiming& timing) {
    Figure figure;
    figure.figure = name;
    figure.value = amount / timing.median;
    figure.best = amount / timing.best;
    figure.seconds = timing.median;
    figure.repeats = timing.repeats;
    return figure;
  }

  std::optional<Extrapolation> Extrapolate(double seconds) const {
    const int layers = decoder().num_layers();
    if (!is_synthetic() || layers == kWholeLayers) return std::nullopt;
    const double head = Median(head_seconds_);
    const double layer = (seconds - head) / layers;
    return Extrapolation{layers, layer, kWholeLayers, head + kWholeLayers * layer};
  }

  const BenchSession& session_;
  const EngineOptions engine_options_;
  std::unique_ptr<Pipeline> pipeline_;
  std::vector<double> head_seconds_;  // of the figure at hand
};

}  // namespace

void BenchModel(const BenchSession& session) { ModelBench(session).Run(); }

}  // namespace ixc

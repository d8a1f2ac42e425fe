#include "cli/inspect_picture.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/error.h"
#include "cli/bench_timing.h"
#include "cli/request_builder.h"
#include "image/draw.h"
#include "image/write_png.h"
#include "kernels/gemm/gemm_table.h"
#include "kernels/kernel_rows.h"
#include "model/work.h"
#include "text/chat_template.h"
#include "text/tokenizer.h"

namespace ixc {

namespace {

int64_t CountTextTokens(const std::string& model_dir, const std::string& question) {
  ChatPrompt chat;
  chat.num_images = 1;
  chat.query = WithImageMarks(question, {}, 1);
  int64_t count = 0;
  for (const PromptSegment& segment : BuildPrompt(Tokenizer::Load(model_dir), chat).segments) {
    count += static_cast<int64_t>(segment.ids.size());
  }
  return count;
}

DType WeightsDtype(const WeightDirectory& weights) {
  const TensorView* head = weights.checkpoint.Find("output.weight");
  return head != nullptr ? head->dtype : DType::kF16;
}

// One product of the model's own sizes, as the engine would run it.
struct ProductSpeed {
  double operations = 0;  // a second
  double bytes = 0;       // of weights, a second
};

ProductSpeed MeasureProduct(const KernelShape& shape, DType dtype, const Compute& compute) {
  const std::string kernel = ChooseGemm(dtype, shape.rows, compute.isa).name;
  for (const KernelRow& row : ListKernelRows()) {
    if (row.name != kernel || row.dtype != Name(dtype)) continue;
    const KernelWork work = row.prepare(shape, *compute.pool);
    const double seconds = Measure(work.run, 1).median;
    return {work.operations / seconds, work.bytes / seconds};
  }
  Fail("kernel '{}' of {} is in no table", kernel, Name(dtype));
}

void MeasureMachine(const ModelConfig& config, DType dtype, const Compute& compute,
                    PictureForecast& forecast) {
  constexpr int64_t kRows = 256;  // enough for the speed of long prompts
  const int64_t wide = config.intermediate_size;
  const int64_t narrow = std::min<int64_t>(wide, 4096);  // keeps a measurement under a second
  forecast.machine_operations =
      MeasureProduct({kRows, narrow, config.hidden_size}, dtype, compute).operations;
  forecast.machine_bytes = MeasureProduct({1, wide, config.hidden_size}, dtype, compute).bytes;
}

void EstimateTimes(const ModelConfig& config, const Census& census, PictureForecast& forecast) {
  const PicturePlan& plan = forecast.plan;
  const int64_t tokens = forecast.prompt_tokens();
  forecast.vision_seconds =
      VisionOperations(config, census.kind, plan.num_views(), plan.image_tokens) /
      forecast.machine_operations;
  forecast.prefill_seconds =
      PrefillOperations(config, ElementsOf(census), tokens, plan.image_tokens) /
      forecast.machine_operations;
  forecast.decode_tokens_per_second =
      forecast.machine_bytes / DecodeBytes(config, BytesOf(census), tokens, DType::kF16);
}

std::string Seconds(double seconds) {
  if (seconds < 0.1) return fmt::format("{:.0f} ms", seconds * 1e3);
  if (seconds < 100) return fmt::format("{:.1f} s", seconds);
  return fmt::format("{:.0f} min {:02.0f} s", std::floor(seconds / 60), std::fmod(seconds, 60));
}

std::string Megabytes(uint64_t bytes) {
  return fmt::format("{:.1f} MB", static_cast<double>(bytes) / 1e6);
}

void PrintViews(const PicturePlan& plan) {
  const int size = plan.transform.view_size;
  const int cells = plan.cells_per_side;
  if (!plan.is_cut()) {
    fmt::print("seen as      one view of {0} x {0} pixels, aspect ratio not kept\n", size);
    fmt::print("tokens       {} rows of {} = {}, one a patch\n", cells, cells, plan.image_tokens);
    return;
  }
  const HdGeometry& geometry = plan.geometry;
  int width = geometry.resized_width;
  int height = geometry.resized_height;
  int padded_width = width;
  int padded_height = geometry.padded_height;
  if (geometry.transposed) {
    std::swap(width, height);
    std::swap(padded_width, padded_height);
  }
  fmt::print("seen as      {} x {} pixels, padded to {} x {}\n", width, height, padded_width,
             padded_height);
  fmt::print("views        {} x {} of {} pixels, and one of the whole\n", geometry.tile_rows,
             geometry.tile_cols, size);
  fmt::print(
      "tokens       {} x ({} + 1) of the whole, 1 between, {} x ({} + 1) of the views = {}\n",
      cells, cells, geometry.tile_rows * cells, geometry.tile_cols * cells, plan.image_tokens);
}

}  // namespace

PictureForecast ForecastPicture(const InspectOptions& options, const WeightDirectory& weights,
                                const Census& census) {
  const PromptOptions& prompt = options.prompt;
  const Image picture = LoadPicture(prompt.images[0], prompt);
  const int hd_num = prompt.hd_num.empty() ? kDefaultHdNum : prompt.hd_num[0];
  PictureForecast forecast;
  forecast.plan = PlanPicture(census.kind, weights.config, picture.width, picture.height, hd_num);
  forecast.text_tokens = CountTextTokens(weights.checkpoint.directory().string(), prompt.prompt);
  forecast.prompt_limit = MaxPromptTokens(census.kind, weights.config);
  forecast.memory =
      TakeCensus(weights.checkpoint, weights.config, weights.kind, forecast.prompt_tokens()).memory;
  forecast.memory.activations =
      PlanPictureBytes(forecast.plan, weights.config, forecast.prompt_tokens());

  ThreadPool pool(0);
  const Compute compute{BestIsa(), &pool};
  if (!options.draw_file.empty()) {
    const PreparedImage prepared = PrepareImage(picture, forecast.plan.transform, hd_num, compute);
    WritePng(options.draw_file,
             DrawViews(prepared, forecast.plan.transform, forecast.plan.cells_per_side));
  }
  MeasureMachine(weights.config, WeightsDtype(weights), compute, forecast);
  EstimateTimes(weights.config, census, forecast);
  return forecast;
}

Json ToJson(const PictureForecast& forecast) {
  const PicturePlan& plan = forecast.plan;
  Json json;
  json["width"] = plan.width;
  json["height"] = plan.height;
  json["view_size"] = plan.transform.view_size;
  json["view_rows"] = plan.geometry.tile_rows;
  json["view_columns"] = plan.geometry.tile_cols;
  json["views"] = plan.num_views();
  json["image_tokens"] = plan.image_tokens;
  json["text_tokens"] = forecast.text_tokens;
  json["prompt_tokens"] = forecast.prompt_tokens();
  json["prompt_limit"] = forecast.prompt_limit;
  json["memory"] = {{"weights", forecast.memory.weights},
                    {"keys_and_values", forecast.memory.keys_and_values},
                    {"activations", forecast.memory.activations}};
  json["estimate"] = {{"image_seconds", forecast.vision_seconds},
                      {"prefill_seconds", forecast.prefill_seconds},
                      {"decode_tokens_per_second", forecast.decode_tokens_per_second}};
  return json;
}

void Print(const PictureForecast& forecast, const std::string& question) {
  const PicturePlan& plan = forecast.plan;
  fmt::print("\npicture      {} x {} pixels\n", plan.width, plan.height);
  PrintViews(plan);
  fmt::print(
      "prompt       {} tokens with \"{}\"; the model takes {}{}\n", forecast.prompt_tokens(),
      question, forecast.prompt_limit,
      forecast.prompt_tokens() > forecast.prompt_limit ? ": TOO LONG, use a smaller --hd-num" : "");
  const MemoryPlan& memory = forecast.memory;
  fmt::print("memory       weights {}, keys and values {}, picture and activations {}; {} in all\n",
             Megabytes(memory.weights), Megabytes(memory.keys_and_values),
             Megabytes(memory.activations), Megabytes(memory.Total()));
  fmt::print("about        {} for the views, {} for the prompt, then up to {:.1f} tokens/s\n",
             Seconds(forecast.vision_seconds), Seconds(forecast.prefill_seconds),
             forecast.decode_tokens_per_second);
  fmt::print(
      "             (measured just now: {:.1f} GFLOP/s in products, {:.1f} GB/s of weights)\n",
      forecast.machine_operations * 1e-9, forecast.machine_bytes * 1e-9);
}

}  // namespace ixc

#include "eval/performance.h"

#include <algorithm>
#include <numeric>

#include "base/clock.h"
#include "engine/sampler.h"
#include "model/work.h"

namespace ixc {
namespace {

class RequestRun {
 public:
  RequestRun(const Pipeline& pipeline, const PerformanceSettings& settings, PerformanceRun& run)
      : pipeline_(pipeline), settings_(settings), run_(run), sequence_(pipeline.NewSequence()) {}

  // Returns the generated ids.
  std::vector<int32_t> Answer() {
    Request request;
    request.query = settings_.query;
    request.system = settings_.system;
    Timed(timing_.picture, [&] { request.images.push_back(settings_.load_picture()); });
    std::vector<EncodedPicture> pictures(1);
    Timed(timing_.vision, [&] {
      pictures[0] = pipeline_.EncodePicture(request.images[0], settings_.hd_num, nullptr);
    });
    AssembledPrompt prompt;
    Timed(timing_.prompt,
          [&] { prompt = pipeline_.Assemble(pipeline_.BuildPrompt(request), pictures); });
    run_.prompt_tokens = prompt.num_tokens();
    run_.image_tokens = prompt.image_tokens;
    Matrix logits;
    Timed(timing_.prefill, [&] {
      logits = pipeline_.Logits(pipeline_.Prefill(prompt, sequence_, {}));
      Choose(logits);
    });
    Decode();
    run_.requests.push_back(std::move(timing_));
    return std::move(ids_);
  }

 private:
  template <typename Work>
  void Timed(double& seconds, Work&& work) {
    if (settings_.before_step) settings_.before_step();
    const auto begin = Clock::now();
    work();
    seconds = SecondsSince(begin);
  }

  void Choose(const Matrix& logits) {
    ids_.push_back(ArgMax({logits.data(), static_cast<size_t>(logits.cols())}));
  }

  bool HasEnded() const {
    const auto stops = pipeline_.stop_ids();
    const bool stopped = std::find(stops.begin(), stops.end(), ids_.back()) != stops.end();
    return std::ssize(ids_) >= settings_.max_new_tokens || (settings_.stop_at_end && stopped);
  }

  void Decode() {
    const Decoder& decoder = pipeline_.model().decoder();
    const DecoderWeights bytes = BytesOf(decoder);
    std::vector<double> read;
    while (!HasEnded()) {
      read.push_back(DecodeBytes(pipeline_.model().config(), bytes, sequence_.length() + 1,
                                 pipeline_.kv_dtype()));
      timing_.decode.emplace_back();
      Timed(timing_.decode.back(),
            [&] { Choose(pipeline_.Step(std::span(&ids_.back(), 1), sequence_)); });
    }
    run_.read_bytes = std::move(read);
  }

  const Pipeline& pipeline_;
  const PerformanceSettings& settings_;
  PerformanceRun& run_;
  Sequence sequence_;
  RequestTiming timing_;
  std::vector<int32_t> ids_;
};

}  // namespace

std::vector<double> PerformanceRun::DecodeSeconds() const {
  std::vector<double> sums;
  for (const RequestTiming& request : requests) {
    sums.resize(std::max(sums.size(), request.decode.size()));
    for (size_t i = 0; i < request.decode.size(); ++i) sums[i] += request.decode[i];
  }
  return sums;
}

double PerformanceRun::DecodeBytesPerSecond() const {
  const std::vector<double> seconds = DecodeSeconds();
  const double total = std::accumulate(seconds.begin(), seconds.end(), 0.0);
  const double bytes = std::accumulate(read_bytes.begin(), read_bytes.end(), 0.0);
  return total > 0 ? bytes * static_cast<double>(requests.size()) / total : 0;
}

BenchmarkCall PerformanceRun::ToBenchmarkCall() const {
  BenchmarkCall call;
  call.batch = batch;
  call.prompt_positions = prompt_tokens;
  call.max_new_tokens = max_new_tokens;
  for (const RequestTiming& request : requests) call.prefill_seconds.push_back(request.prefill);
  call.decode_seconds = DecodeSeconds();
  return call;
}

PerformanceRow PerformanceRun::ToRow() const {
  const BenchmarkCall call = ToBenchmarkCall();
  const double prefill =
      std::accumulate(call.prefill_seconds.begin(), call.prefill_seconds.end(), 0.0);
  const double decode =
      std::accumulate(call.decode_seconds.begin(), call.decode_seconds.end(), 0.0);
  PerformanceRow row;
  row.batch = batch;
  row.query_tokens = query_tokens;
  row.new_tokens = new_tokens;
  row.prompt_positions = prompt_tokens;
  row.first_token_ms = 1000 * prefill;
  // Over the tokens asked for, as the benchmark table has it.
  row.next_token_ms = max_new_tokens > 1 ? 1000 * decode / (max_new_tokens - 1) : 0;
  row.response_ms = 1000 * response_seconds;
  return row;
}

PerformanceRun MeasurePerformance(const Pipeline& pipeline, const PerformanceSettings& settings) {
  PerformanceRun run;
  run.batch = settings.batch;
  run.max_new_tokens = settings.max_new_tokens;
  const std::string query = WithImageMarks(settings.query, {}, 1);
  run.query_tokens = std::ssize(pipeline.tokenizer().EncodeWithBos(query));
  const auto begin = Clock::now();
  for (int request = 0; request < settings.batch; ++request) {
    std::vector<int32_t> ids = RequestRun(pipeline, settings, run).Answer();
    std::string text = pipeline.tokenizer().Decode(ids, /*skip_special=*/true);
    if (request > 0) continue;
    run.new_tokens = std::ssize(ids);
    run.text = text.substr(0, text.find(kTurnEnd));
  }
  run.response_seconds = SecondsSince(begin);
  return run;
}

}  // namespace ixc

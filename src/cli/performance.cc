// ixc performance: one picture, a fixed number of tokens; the original's CSV files, and every
// sample as JSON and a plot beside them.
#include "eval/performance.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "base/atomic_file.h"
#include "base/error.h"
#include "base/json.h"
#include "base/process_memory.h"
#include "cli/commands.h"
#include "cli/interrupt.h"
#include "cli/log.h"
#include "cli/progress.h"
#include "cli/request_builder.h"
#include "eval/picture_folder.h"
#include "eval/svg_plot.h"

namespace ixc {
namespace {

namespace fs = std::filesystem;

// A file that is created with `mode`, whatever the umask adds to its restrictions.
class PlainFile {
 public:
  PlainFile(const fs::path& path, int flags, mode_t mode)
      : path_(path), fd_(open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | flags, mode)) {
    if (fd_ < 0) Fail("{}: cannot be opened for writing: {}", path.string(), std::strerror(errno));
  }
  ~PlainFile() { close(fd_); }
  PlainFile(const PlainFile&) = delete;
  PlainFile& operator=(const PlainFile&) = delete;

  bool IsEmpty() const {
    struct stat status = {};
    return fstat(fd_, &status) == 0 && status.st_size == 0;
  }
  // In one system call, so that rows of two programs never mix.
  void Write(const std::string& text) {
    if (write(fd_, text.data(), text.size()) != static_cast<ssize_t>(text.size())) {
      Fail("{}: cannot be written: {}", path_.string(), std::strerror(errno));
    }
  }

 private:
  fs::path path_;
  int fd_;
};

// Opened before any work, so that an unwritable place is known at once.
class PerformanceTable {
 public:
  explicit PerformanceTable(const fs::path& path) : file_(path, O_APPEND, 0600) {}

  void Append(const PerformanceRow& row) {
    file_.Write((file_.IsEmpty() ? std::string(PerformanceHeader()) : "") +
                FormatPerformanceRow(row));
  }

 private:
  PlainFile file_;
};

// The table that the original's switch asks for; nothing without it.
void WriteBenchmarkTable(const BenchmarkCall& call) {
  const char* enabled = std::getenv("ATB_LLM_BENCHMARK_ENABLE");
  if (enabled == nullptr || std::string_view(enabled) != "1") return;
  const char* named = std::getenv("ATB_LLM_BENCHMARK_FILEPATH");
  fs::path path = "benchmark_result/benchmark.csv";
  if (named != nullptr && *named != '\0') path = named;
  if (path.has_parent_path() && !fs::exists(path.parent_path())) {
    fs::create_directories(path.parent_path());
    fs::permissions(path.parent_path(), fs::perms(0750));
  }
  PlainFile(path, O_TRUNC, 0640).Write(FormatBenchmarkTable(call));
}

Json ToJson(const PerformanceRun& run) {
  Json requests = Json::array();
  for (const RequestTiming& request : run.requests) {
    requests.push_back({{"picture_seconds", request.picture},
                        {"vision_seconds", request.vision},
                        {"prompt_seconds", request.prompt},
                        {"prefill_seconds", request.prefill},
                        {"decode_seconds", request.decode}});
  }
  const PerformanceRow row = run.ToRow();
  Json json;
  json["batch"] = run.batch;
  json["query_tokens"] = run.query_tokens;
  json["prompt_tokens"] = run.prompt_tokens;
  json["image_tokens"] = run.image_tokens;
  json["max_new_tokens"] = run.max_new_tokens;
  json["new_tokens"] = run.new_tokens;
  json["first_token_ms"] = row.first_token_ms;
  json["next_token_ms"] = row.next_token_ms;
  json["response_seconds"] = run.response_seconds;
  json["tokens_per_second"] =
      static_cast<double>(run.batch * run.new_tokens) / run.response_seconds;
  json["decode_gigabytes_per_second"] = run.DecodeBytesPerSecond() * 1e-9;
  json["requests"] = std::move(requests);
  json["text"] = run.text;
  return json;
}

Plot DecodePlot(const std::vector<PerformanceRun>& runs) {
  Plot plot;
  plot.title = "Time of each new token";
  plot.x_label = "token";
  plot.y_label = "milliseconds";
  plot.from_zero = true;
  for (const PerformanceRun& run : runs) {
    PlotSeries series;
    series.name =
        fmt::format("batch {}: prefill {:.1f} ms, {:.1f} tokens/s in all", run.batch,
                    run.ToRow().first_token_ms,
                    static_cast<double>(run.batch * run.new_tokens) / run.response_seconds);
    double token = 2;
    for (const double seconds : run.DecodeSeconds()) {
      series.points.emplace_back(token++, 1000 * seconds);
    }
    if (plot.series.size() < 4) plot.series.push_back(std::move(series));
  }
  return plot;
}

void PrintTable(const std::vector<PerformanceRun>& runs) {
  fmt::print("{:>5} {:>8} {:>6} {:>9} {:>9} {:>11} {:>9} {:>11} {:>9} {:>7}\n", "batch", "prompt",
             "new", "picture", "vision", "first token", "next", "response", "all", "decode");
  fmt::print("{:>5} {:>8} {:>6} {:>9} {:>9} {:>11} {:>9} {:>11} {:>9} {:>7}\n", "", "tokens",
             "tokens", "ms", "ms", "ms", "ms", "ms", "tokens/s", "GB/s");
  for (const PerformanceRun& run : runs) {
    double picture = 0, vision = 0;
    for (const RequestTiming& request : run.requests) {
      picture += 1000 * request.picture;
      vision += 1000 * request.vision;
    }
    const PerformanceRow row = run.ToRow();
    fmt::print(
        "{:>5} {:>8} {:>6} {:>9.2f} {:>9.2f} {:>11.2f} {:>9.3f} {:>11.2f} {:>9.2f} {:>7.2f}\n",
        run.batch, run.prompt_tokens, run.new_tokens, picture, vision, row.first_token_ms,
        row.next_token_ms, row.response_ms,
        static_cast<double>(run.batch * run.new_tokens) / run.response_seconds,
        run.DecodeBytesPerSecond() * 1e-9);
  }
}

std::string ChoosePicture(const std::string& path) {
  if (!fs::is_directory(path)) return path;
  const PictureFolder folder = ListPictures(path);
  if (folder.pictures.empty()) Fail("{}: the folder holds no picture", path);
  if (folder.pictures.size() > 1) {
    LogWarning(fmt::format("{}: {} pictures; only the first, {}, is timed", path,
                           folder.pictures.size(), folder.pictures[0].filename().string()));
  }
  return folder.pictures[0].string();
}

PerformanceSettings SettingsOf(const PerformanceOptions& options, const std::string& picture) {
  PerformanceSettings settings;
  settings.load_picture = [&options, picture] { return LoadPicture(picture, options.prompt); };
  settings.query = options.prompt.prompt;
  settings.system = options.prompt.system;
  if (!options.prompt.hd_num.empty()) settings.hd_num = options.prompt.hd_num[0];
  settings.max_new_tokens = options.max_new_tokens;
  settings.stop_at_end = options.stop_at_end;
  settings.before_step = ThrowIfInterrupted;
  return settings;
}

std::string WarmUp(const Pipeline& pipeline, PerformanceSettings settings) {
  settings.max_new_tokens = 2;
  settings.batch = 1;
  return MeasurePerformance(pipeline, settings).text;
}

}  // namespace

int Run(const PerformanceOptions& options) {
  const std::string picture = ChoosePicture(options.image);
  PerformanceSettings settings = SettingsOf(options, picture);
  settings.load_picture();  // fails before the model is loaded
  PerformanceTable table(options.csv_file);
  CatchInterrupts();
  Progress progress;
  const EngineOptions engine = ToEngineOptions(options.model, progress);
  ResetPeakMemory();
  const auto pipeline = Pipeline::Load(engine);
  progress.Update("warming up", 0);
  WarmUp(*pipeline, settings);

  std::vector<PerformanceRun> runs;
  const size_t total = options.batch.size() * static_cast<size_t>(options.repeats);
  for (const int batch : options.batch) {
    settings.batch = batch;
    for (int repeat = 0; repeat < options.repeats; ++repeat) {
      progress.Update("timing", static_cast<double>(runs.size()) / static_cast<double>(total));
      runs.push_back(MeasurePerformance(*pipeline, settings));
      table.Append(runs.back().ToRow());
      WriteBenchmarkTable(runs.back().ToBenchmarkCall());
    }
  }
  progress.Clear();

  Json json;
  json["version"] = 1;
  json["model"] = engine.model_dir;
  json["image"] = picture;
  json["weights"] = pipeline->model().scheme_name();
  json["threads"] = pipeline->compute().pool->num_threads();
  json["isa"] = Name(pipeline->compute().isa);
  json["batches"] = "one request after the other";
  json["peak_memory_bytes"] = PeakMemoryBytes();
  json["runs"] = Json::array();
  for (const PerformanceRun& run : runs) json["runs"].push_back(ToJson(run));
  WriteWholeFile(fs::path(options.csv_file).replace_extension(".json"), ToText(json, 1) + "\n");
  WriteWholeFile(fs::path(options.csv_file).replace_extension(".svg"), PlotSvg(DecodePlot(runs)));
  if (options.json) {
    fmt::print("{}\n", ToText(json));
    return 0;
  }
  PrintTable(runs);
  fmt::print("peak memory {:.2f} GB; row appended to {}, samples and plot beside it\n",
             static_cast<double>(PeakMemoryBytes()) * 1e-9, options.csv_file);
  return 0;
}

}  // namespace ixc

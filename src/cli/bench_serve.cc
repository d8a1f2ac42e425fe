// ixc bench serve: how a server answers many clients at once.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "base/atomic_file.h"
#include "base/base64.h"
#include "base/error.h"
#include "base/json.h"
#include "base/mapped_file.h"
#include "cli/commands.h"
#include "cli/interrupt.h"
#include "cli/progress.h"
#include "eval/statistics.h"
#include "eval/svg_plot.h"
#include "server/load_run.h"

namespace ixc {

namespace {

// The value below which a share of the (sorted, not empty) values lies.
double Quantile(const std::vector<double>& sorted, double share) {
  const auto last = static_cast<double>(sorted.size() - 1);
  return sorted[static_cast<size_t>(std::lround(share * last))];
}

struct Distribution {
  std::vector<double> values;  // sorted

  template <typename Value>
  Distribution(const std::vector<LoadSample>& samples, Value&& value) {
    for (const LoadSample& sample : samples) values.push_back(value(sample));
    std::ranges::sort(values);
  }
  double Average() const { return values.empty() ? 0 : Mean(values); }
  double At(double share) const { return values.empty() ? 0 : Quantile(values, share); }
};

struct Row {
  const char* name;
  const char* title;
  Distribution seconds;
};

// What a run has to say: of answers that came to their end, unless told otherwise.
struct Summary {
  int64_t complete = 0;
  int64_t left = 0;
  std::map<int, int64_t> failed;  // by status; 0: no answer at all
  int64_t tokens = 0;
  int64_t prompt_tokens = 0;
  int64_t cached_tokens = 0;
  double seconds = 0;
  std::vector<Row> rows;

  explicit Summary(const LoadResult& result) : seconds(result.seconds) {
    std::vector<LoadSample> answers;
    for (const LoadSample& sample : result.samples) {
      if (sample.left) {
        ++left;
      } else if (sample.complete) {
        answers.push_back(sample);
        tokens += sample.tokens;
        prompt_tokens += sample.prompt_tokens;
        cached_tokens += sample.cached_tokens;
      } else {
        ++failed[sample.status];
      }
    }
    complete = static_cast<int64_t>(answers.size());
    rows.push_back({"first_token", "time to first token",
                    Distribution(answers, [](const auto& s) { return s.first_seconds; })});
    rows.push_back({"per_token", "time per token",
                    Distribution(answers, [](const auto& s) { return s.SecondsPerToken(); })});
    rows.push_back({"longest_gap", "longest gap in an answer",
                    Distribution(answers, [](const auto& s) { return s.longest_gap_seconds; })});
    rows.push_back({"answer", "whole answer",
                    Distribution(answers, [](const auto& s) { return s.total_seconds; })});
  }

  double TokensPerSecond() const { return static_cast<double>(tokens) / seconds; }
  double AnswersPerSecond() const { return static_cast<double>(complete) / seconds; }
};

void PrintTable(const BenchServeOptions& options, const Summary& summary) {
  fmt::print(
      "{} clients, {:.1f} s: {} answers ({:.2f}/s), {} tokens ({:.1f}/s), {} prompt tokens, "
      "{} of them read before\n",
      options.num_clients, summary.seconds, summary.complete, summary.AnswersPerSecond(),
      summary.tokens, summary.TokensPerSecond(), summary.prompt_tokens, summary.cached_tokens);
  for (const auto& [status, count] : summary.failed) {
    fmt::print("{} requests failed: {}\n", count,
               status == 0 ? "no answer" : fmt::format("status {}", status));
  }
  if (summary.left > 0) fmt::print("{} clients left in the midst of an answer\n", summary.left);
  fmt::print("{:<26}{:>10}{:>10}{:>10}{:>10}{:>10}\n", "ms", "mean", "p50", "p90", "p99", "max");
  for (const Row& row : summary.rows) {
    const Distribution& d = row.seconds;
    fmt::print("{:<26}{:>10.1f}{:>10.1f}{:>10.1f}{:>10.1f}{:>10.1f}\n", row.title,
               d.Average() * 1e3, d.At(0.5) * 1e3, d.At(0.9) * 1e3, d.At(0.99) * 1e3,
               d.At(1) * 1e3);
  }
}

Json ToJson(const BenchServeOptions& options, const Summary& summary) {
  Json json;
  json["clients"] = options.num_clients;
  json["seconds"] = summary.seconds;
  json["answers"] = summary.complete;
  json["answers_per_second"] = summary.AnswersPerSecond();
  json["tokens"] = summary.tokens;
  json["tokens_per_second"] = summary.TokensPerSecond();
  json["prompt_tokens"] = summary.prompt_tokens;
  json["cached_tokens"] = summary.cached_tokens;
  json["left"] = summary.left;
  json["failed"] = Json::object();
  for (const auto& [status, count] : summary.failed) json["failed"][std::to_string(status)] = count;
  for (const Row& row : summary.rows) {
    const Distribution& d = row.seconds;
    json[std::string(row.name) + "_seconds"] = {{"mean", d.Average()},
                                                {"p50", d.At(0.5)},
                                                {"p90", d.At(0.9)},
                                                {"p99", d.At(0.99)},
                                                {"max", d.At(1)}};
  }
  return json;
}

// Which share of the answers had a time of at most so much.
void WriteSvg(const std::string& path, const BenchServeOptions& options, const Summary& summary) {
  Plot plot;
  plot.title =
      fmt::format("{} clients: {:.1f} tokens/s", options.num_clients, summary.TokensPerSecond());
  plot.x_label = "milliseconds";
  plot.y_label = "share of answers";
  plot.from_zero = true;
  for (const Row& row : summary.rows) {
    if (row.name == std::string_view("answer")) continue;  // of another order of magnitude
    PlotSeries series{row.title, {}};
    const auto& values = row.seconds.values;
    for (size_t i = 0; i < values.size(); ++i) {
      series.points.emplace_back(values[i] * 1e3,
                                 static_cast<double>(i + 1) / static_cast<double>(values.size()));
    }
    plot.series.push_back(std::move(series));
  }
  AtomicFile file(path);
  file.Write(PlotSvg(plot) + "\n");
  file.Commit();
}

// Bodies that are alike but for the number that --vary puts in front of the question.
class Bodies {
 public:
  Bodies(const BenchServeOptions& options, std::string model)
      : options_(options), model_(std::move(model)) {
    for (const std::string& path : options.images) {
      const MappedFile file(path);
      pictures_.push_back("data:application/octet-stream;base64," + EncodeBase64(file.bytes()));
    }
  }

  std::string Make(int number) const {
    Json content = Json::array();
    for (const std::string& url : pictures_) {
      content.push_back({{"type", "image_url"}, {"image_url", {{"url", url}}}});
    }
    const std::string question =
        options_.vary ? fmt::format("{}. {}", number, options_.prompt) : options_.prompt;
    content.push_back({{"type", "text"}, {"text", question}});
    Json body;
    body["model"] = model_;
    body["messages"] = Json::array({{{"role", "user"}, {"content", std::move(content)}}});
    body["max_tokens"] = options_.max_new_tokens;
    body["stream"] = true;
    body["stream_options"] = {{"include_usage", true}};
    return ToText(body);
  }

 private:
  const BenchServeOptions& options_;
  std::string model_;
  std::vector<std::string> pictures_;
};

}  // namespace

int Run(const BenchServeOptions& options) {
  CatchInterrupts();
  LoadPlan plan;
  plan.target = LoadTarget::FromUrl(options.url);
  plan.target.api_key = options.api_key;
  plan.num_clients = options.num_clients;
  plan.num_requests = options.num_requests;
  plan.seconds = options.seconds;
  if (plan.num_requests == 0 && plan.seconds == 0) plan.num_requests = 4 * plan.num_clients;
  plan.leave_share = options.leave_share;
  plan.seed = options.seed;
  plan.is_cancelled = IsInterrupted;
  const Bodies bodies(options, LoadClient(plan.target).ModelName());
  plan.body = [&bodies](int number) { return bodies.Make(number); };
  Progress progress;
  plan.on_progress = [&](int done) {
    if (plan.num_requests > 0) {
      progress.Update("answers", static_cast<double>(done) / plan.num_requests);
    }
  };
  const LoadResult result = RunLoad(plan);
  progress.Clear();
  const Summary summary(result);
  if (options.json) {
    fmt::print("{}\n", ToText(ToJson(options, summary)));
  } else {
    PrintTable(options, summary);
  }
  if (!options.svg_file.empty()) WriteSvg(options.svg_file, options, summary);
  if (IsInterrupted()) return kInterruptedExitCode;
  return summary.complete + summary.left > 0 ? 0 : 1;
}

}  // namespace ixc

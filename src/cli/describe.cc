// ixc describe: an answer about each picture, about all of them together, or for each line of a
// batch file. One load of the model for all of it.
#include <fmt/format.h>
#include <unistd.h>

#include <iostream>
#include <optional>

#include "base/atomic_file.h"
#include "base/error.h"
#include "base/json.h"
#include "cli/batch_file.h"
#include "cli/commands.h"
#include "cli/interrupt.h"
#include "cli/log.h"
#include "cli/progress.h"
#include "cli/request_builder.h"
#include "cli/stats_line.h"

namespace ixc {

namespace {

Json ToJson(const Job& job, const Result& result) {
  Json json;
  json["image"] = job.images.size() == 1 ? Json(job.images[0]) : Json(job.images);
  json["prompt"] = job.prompt;
  json["answer"] = result.text;
  json["finish_reason"] = Name(result.finish_reason);
  json["prompt_tokens"] = result.prompt_tokens;
  json["image_tokens"] = result.image_tokens;
  json["new_tokens"] = result.token_ids.size();
  if (result.guessed_tokens > 0) {
    json["guessed_tokens"] = result.guessed_tokens;
    json["accepted_tokens"] = result.accepted_tokens;
  }
  json["seconds"] = {{"image", result.timing.image_seconds},
                     {"prefill", result.timing.prefill_seconds},
                     {"decode", result.timing.decode_seconds}};
  return json;
}

// Where answers go: streamed to the screen, as JSON lines, or collected for a file.
class AnswerWriter {
 public:
  AnswerWriter(const DescribeOptions& options, size_t num_jobs)
      : options_(options),
        headings_(num_jobs > 1),
        // Opened before any work, so that an unwritable place is known at once.
        file_(options.output_file.empty() ? nullptr
                                          : std::make_unique<AtomicFile>(options.output_file)) {}

  bool streams() const { return !options_.json && options_.batch_file.empty(); }

  void Begin(const Job& job) {
    if (streams() && headings_) fmt::print("{}:\n", fmt::join(job.images, ", "));
  }

  void Text(std::string_view text) {
    std::fwrite(text.data(), 1, text.size(), stdout);
    std::fflush(stdout);
  }

  void End(const Job& job, const Result& result) {
    if (streams()) fmt::print("{}", headings_ ? "\n\n" : "\n");
    Record(ToJson(job, result));
    if (options_.stats || options_.prompt.generation.speculate)
      fmt::print(stderr, "{}\n", StatsLine(result));
  }

  void Failed(const Job& job, const std::string& message) {
    any_failed_ = true;
    LogError(message);
    Json json;
    json["image"] = job.images.size() == 1 ? Json(job.images[0]) : Json(job.images);
    json["prompt"] = job.prompt;
    json["error"] = message;
    Record(json);
  }

  // Puts the output file in place.
  void Finish() {
    if (file_ == nullptr) return;
    if (options_.batch_file.empty()) file_->Write(ToText(collected_, 2) + "\n");
    file_->Commit();
  }

  bool any_failed() const { return any_failed_; }

 private:
  // A batch writes JSON lines to wherever the output is; else the file gets one list.
  void Record(const Json& json) {
    const bool lines = !options_.batch_file.empty();
    if (file_ != nullptr && lines) file_->Write(ToText(json) + "\n");
    if (file_ != nullptr && !lines) collected_.push_back(json);
    if (options_.json || (lines && file_ == nullptr)) {
      fmt::print("{}\n", ToText(json));
      std::fflush(stdout);
    }
  }

  const DescribeOptions& options_;
  bool headings_;
  bool any_failed_ = false;
  std::unique_ptr<AtomicFile> file_;
  Json collected_ = Json::array();
};

std::vector<Job> MakeJobs(const DescribeOptions& options) {
  const PromptOptions& prompt = options.prompt;
  if (!options.batch_file.empty()) {
    if (!prompt.images.empty()) Fail("--batch names its own pictures; leave the others out");
    return ReadBatch(options.batch_file, prompt.prompt);
  }
  if (prompt.images.empty()) {
    // A saved conversation brings its own pictures.
    if (!prompt.history_file.empty()) return {{{}, prompt.prompt}};
    Fail("no picture given; for example: ixc describe photo.jpg");
  }
  if (options.together) return {{prompt.images, prompt.prompt}};
  std::vector<Job> jobs;
  for (const std::string& image : prompt.images) jobs.push_back({{image}, prompt.prompt});
  return jobs;
}

// Answers one job; false when the user asked to stop.
bool RunJob(const DescribeOptions& options, const Job& job, Engine& engine, Progress& progress,
            AnswerWriter& writer) {
  Request request = ToRequest(options.prompt, ImageMarks::kAdd);
  request.query = job.prompt;
  AddPictures(job.images, options.prompt, request);
  GenerationEvents events;
  bool begun = false;
  if (writer.streams()) {
    events.on_text = [&](std::string_view text) {
      progress.Clear();
      if (!begun) writer.Begin(job);
      begun = true;
      writer.Text(text);
    };
  }
  events.on_progress = [&](const char* stage, double share) { progress.Update(stage, share); };
  events.is_cancelled = IsInterrupted;
  const Result result = engine.Generate(request, events);
  progress.Clear();
  if (!begun) writer.Begin(job);
  writer.End(job, result);
  return result.finish_reason != FinishReason::kCancelled;
}

}  // namespace

int Run(const DescribeOptions& options) {
  const std::vector<Job> jobs = MakeJobs(options);
  AnswerWriter writer(options, jobs.size());
  CatchInterrupts();
  Progress progress;
  const EngineOptions engine_options = ToEngineOptions(options.model, progress);
  LogInfo(fmt::format("{} to answer with the model in {}", jobs.size(), engine_options.model_dir));
  Engine engine = Engine::Load(engine_options);
  progress.Clear();

  bool interrupted = false;
  for (size_t i = 0; i < jobs.size() && !interrupted; ++i) {
    try {
      interrupted = !RunJob(options, jobs[i], engine, progress, writer);
    } catch (const Error& error) {
      progress.Clear();
      if (jobs.size() == 1) throw;
      writer.Failed(jobs[i], error.what());  // the other pictures still get their answers
    }
    interrupted = interrupted || IsInterrupted();
  }
  writer.Finish();
  if (interrupted) return kInterruptedExitCode;
  return writer.any_failed() ? 1 : 0;
}

}  // namespace ixc

// ixc precision: an answer about every picture of a folder, by the fast or the reference route,
// into the original's file of answers; and two such files compared text by text.
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "base/error.h"
#include "base/json.h"
#include "base/printable.h"
#include "base/utf8.h"
#include "cli/answer_queue.h"
#include "cli/commands.h"
#include "cli/default_model.h"
#include "cli/interrupt.h"
#include "cli/log.h"
#include "cli/progress.h"
#include "cli/request_builder.h"
#include "engine/batch_engine.h"
#include "eval/picture_folder.h"
#include "eval/predictions.h"
#include "text/tokenizer.h"

namespace ixc {
namespace {

namespace fs = std::filesystem;

constexpr int kFastNewTokens = 256;  // the original's limit on its accelerated route

bool IsReference(const PrecisionOptions& options) { return options.route == "reference"; }

GenerationOptions GenerationOf(const PrecisionOptions& options) {
  GenerationOptions generation;  // the reference's own
  if (!IsReference(options) && !options.same_settings) {
    generation.repetition_penalty = 1.0f;
    generation.max_new_tokens = kFastNewTokens;
  }
  if (options.max_new_tokens) generation.max_new_tokens = *options.max_new_tokens;
  return generation;
}

EngineOptions EngineOf(const PrecisionOptions& options, Progress& progress) {
  EngineOptions engine = ToEngineOptions(options.model, progress);
  if (!IsReference(options)) return engine;
  if (!engine.scheme.empty() || !engine.dtype.empty() || !engine.kv.empty()) {
    Fail("the reference route is float32; leave out --scheme, --dtype and --kv");
  }
  engine.compute = ComputeMode::kFloat32;
  return engine;
}

std::string KeyOf(const PrecisionOptions& options, const fs::path& picture) {
  const bool whole_path =
      options.keys.empty() ? !IsReference(options) : options.keys == std::string("path");
  const std::string key = whole_path ? picture.string() : picture.filename().string();
  return IsUtf8(key) ? key : Printable(key);  // JSON cannot hold any other bytes
}

class PrecisionRun {
 public:
  explicit PrecisionRun(const PrecisionOptions& options)
      : options_(options),
        engine_(EngineOf(options, progress_)),  // contradictions are told before any work
        folder_(ListPictures(options.image_dir)) {
    for (const fs::path& entry : folder_.skipped) {
      LogWarning(fmt::format("{}: not a picture, skipped", entry.string()));
    }
    if (folder_.pictures.empty()) Fail("{}: the folder holds no picture", options.image_dir);
    RemoveUnfinished(options.output_file);
    if (fs::exists(options.output_file)) answers_ = ReadPredictions(options.output_file);
    for (const fs::path& picture : folder_.pictures) {
      if (options.resume && answers_.count(KeyOf(options, picture)) > 0) continue;
      open_.push_back(picture);
    }
    // At once, so that an unwritable place is known before any work.
    WritePredictions(options.output_file, answers_);
  }

  int Run() {
    CatchInterrupts();
    if (!open_.empty()) {
      if (options_.batch > 1) {
        AnswerTogether();
      } else {
        AnswerOneByOne();
      }
    }
    progress_.Clear();
    Report();
    if (IsInterrupted()) return kInterruptedExitCode;
    return failed_ > 0 ? 1 : 0;
  }

 private:
  // Each answer is in the file before the next picture is opened.
  void AnswerOneByOne() {
    Engine engine = Engine::Load(engine_);
    GenerationEvents events;
    events.is_cancelled = IsInterrupted;
    for (size_t i = 0; i < open_.size() && !IsInterrupted(); ++i) {
      ShowProgress(i);
      try {
        const Result result = engine.Generate(RequestFor(i), events);
        if (result.finish_reason != FinishReason::kCancelled) Record(i, result.text);
      } catch (const Error& error) {
        Failed(error.what());
      }
    }
  }

  // Several at a time, each in the file as soon as it has ended; one more is loaded meanwhile.
  void AnswerTogether() {
    AnswerQueue queue;
    BatchEngine service(Pipeline::Load(engine_), BatchFor(options_));
    const auto most = static_cast<size_t>(options_.batch) + 1;
    for (size_t next = 0; queue.num_open() > 0 || next < open_.size();) {
      if (next < open_.size() && queue.num_open() < most && !IsInterrupted()) {
        ShowProgress(next - queue.num_open());
        Start(service, next++, queue);
        continue;
      }
      if (queue.num_open() == 0) return;  // interrupted
      const Answered answered = queue.Await(service);
      if (answered.result.error) {
        Failed(answered.result.error->message);
      } else if (answered.result.finish_reason != FinishReason::kCancelled) {
        Record(answered.index, answered.text);
      }
    }
  }

  void Start(Service& service, size_t index, AnswerQueue& queue) {
    ServiceRequest request;
    try {
      request.request = RequestFor(index);
    } catch (const Error& error) {
      return Failed(error.what());
    }
    queue.Submit(service, index, std::move(request));
  }

  // As one by one, nothing but --max-memory limits how long prompt and answer may be together.
  static BatchOptions BatchFor(const PrecisionOptions& options) {
    BatchOptions batch;
    batch.limits.max_running = options.batch;
    batch.limits.max_waiting = options.batch + 1;
    batch.max_context = BatchOptions::kNoLimit;
    batch.kv_bytes = BatchOptions::kNoLimit;
    // No picture comes twice, and no prompt continues another.
    batch.keep_prefixes = false;
    batch.picture_cache_bytes = 0;
    return batch;
  }

  Request RequestFor(size_t index) const {
    Request request = ToRequest(options_.prompt, ImageMarks::kAdd);
    request.generation = GenerationOf(options_);
    AddPictures({open_[index].string()}, options_.prompt, request);
    return request;
  }

  void ShowProgress(size_t done) {
    progress_.Update("describing pictures",
                     static_cast<double>(done) / static_cast<double>(open_.size()));
  }

  void Record(size_t index, const std::string& text) {
    answers_[KeyOf(options_, open_[index])] = text;
    ++answered_;
    WritePredictions(options_.output_file, answers_);
  }

  // The other pictures still get their answers.
  void Failed(const std::string& message) {
    progress_.Clear();
    LogError(message);
    ++failed_;
  }

  void Report() const {
    const size_t kept = folder_.pictures.size() - open_.size();
    if (options_.json) {
      const Json json = {{"output", options_.output_file},
                         {"route", options_.route},
                         {"pictures", folder_.pictures.size()},
                         {"answered", answered_},
                         {"kept", kept},
                         {"failed", failed_},
                         {"skipped", folder_.skipped.size()}};
      fmt::print("{}\n", ToText(json));
      return;
    }
    fmt::print("{} pictures: {} answered, {} kept, {} failed, {} entries skipped; {}\n",
               folder_.pictures.size(), answered_, kept, failed_, folder_.skipped.size(),
               options_.output_file);
  }

  const PrecisionOptions& options_;
  Progress progress_;
  const EngineOptions engine_;
  PictureFolder folder_;
  Predictions answers_;
  std::vector<fs::path> open_;
  int64_t answered_ = 0;
  int64_t failed_ = 0;
};

// Where two answers part: tokens by the model's tokenizer, -1 when they are equal.
struct Difference {
  const AnswerPair* pair;
  int64_t token = -1;
  size_t byte = 0;
};

Difference Compare(const AnswerPair& pair, const Tokenizer& tokenizer) {
  Difference difference{&pair};
  const std::string &a = pair.answer_a, &b = pair.answer_b;
  if (a == b) return difference;
  const auto ids_a = tokenizer.EncodeOrdinary(a);
  const auto ids_b = tokenizer.EncodeOrdinary(b);
  difference.token =
      std::mismatch(ids_a.begin(), ids_a.end(), ids_b.begin(), ids_b.end()).first - ids_a.begin();
  difference.byte =
      static_cast<size_t>(std::mismatch(a.begin(), a.end(), b.begin(), b.end()).first - a.begin());
  return difference;
}

// A few words around the place where an answer parts from the other one.
std::string Around(const std::string& text, size_t byte) {
  constexpr size_t kBefore = 30, kLength = 70;
  const auto is_inside = [&](size_t place) {
    return place < text.size() && (static_cast<unsigned char>(text[place]) & 0xC0) == 0x80;
  };
  size_t begin = byte > kBefore ? byte - kBefore : 0;
  while (begin > 0 && is_inside(begin)) --begin;
  size_t end = std::min(begin + kLength, text.size());
  while (is_inside(end)) ++end;
  std::string words = text.substr(begin, end - begin);
  std::replace(words.begin(), words.end(), '\n', ' ');
  return (begin > 0 ? "…" : "") + words + (end < text.size() ? "…" : "");
}

int CompareFiles(const PrecisionOptions& options) {
  const PairedAnswers paired =
      PairAnswers(ReadPredictions(options.compare[0]), ReadPredictions(options.compare[1]));
  if (paired.pairs.empty()) {
    Fail("{} and {} have no picture in common", options.compare[0], options.compare[1]);
  }
  const Tokenizer tokenizer = Tokenizer::Load(ModelDirOrDefault(options.model.model_dir));
  std::vector<Difference> differing;
  for (const AnswerPair& pair : paired.pairs) {
    const Difference difference = Compare(pair, tokenizer);
    if (difference.token >= 0) differing.push_back(difference);
  }
  const size_t identical = paired.pairs.size() - differing.size();
  if (options.json) {
    Json json = {{"pictures", paired.pairs.size()}, {"identical", identical}};
    json["different"] = Json::array();
    for (const Difference& difference : differing) {
      json["different"].push_back({{"a", difference.pair->key_a},
                                   {"b", difference.pair->key_b},
                                   {"first_token", difference.token},
                                   {"first_byte", difference.byte},
                                   {"answer_a", difference.pair->answer_a},
                                   {"answer_b", difference.pair->answer_b}});
    }
    json["only_a"] = paired.only_a;
    json["only_b"] = paired.only_b;
    fmt::print("{}\n", ToText(json));
    return 0;
  }
  fmt::print("{} of {} answers are identical\n", identical, paired.pairs.size());
  for (const Difference& difference : differing) {
    fmt::print("{}: differ from token {} on\n  A: {}\n  B: {}\n", difference.pair->key_a,
               difference.token, Around(difference.pair->answer_a, difference.byte),
               Around(difference.pair->answer_b, difference.byte));
  }
  if (!paired.only_a.empty()) fmt::print("only in A: {}\n", fmt::join(paired.only_a, ", "));
  if (!paired.only_b.empty()) fmt::print("only in B: {}\n", fmt::join(paired.only_b, ", "));
  return 0;
}

}  // namespace

int Run(const PrecisionOptions& options) {
  if (!options.compare.empty()) return CompareFiles(options);
  if (options.image_dir.empty()) {
    Fail("no folder of pictures given; for example: ixc precision --images photos");
  }
  return PrecisionRun(options).Run();
}

}  // namespace ixc

// ixc clip-score: how well answers fit their pictures, by an OpenCLIP model; for one file of
// answers, or for two and their difference.
#include <fmt/format.h>

#include <filesystem>
#include <map>

#include "base/atomic_file.h"
#include "base/error.h"
#include "cli/commands.h"
#include "cli/default_model.h"
#include "cli/interrupt.h"
#include "cli/log.h"
#include "cli/progress.h"
#include "eval/clip_judge.h"
#include "eval/clip_report.h"
#include "eval/predictions.h"

namespace ixc {
namespace {

namespace fs = std::filesystem;

// An absolute key is the place; a key whose place is gone, and every other one, is looked up in the
// folder of pictures.
std::string PathOf(const std::string& key, const std::string& image_dir) {
  const fs::path path(key);
  const fs::path in_folder = fs::path(image_dir) / path.relative_path();
  const fs::path by_name = fs::path(image_dir) / path.filename();
  for (const fs::path& place : {path.is_absolute() ? path : in_folder, by_name}) {
    if (fs::exists(place)) return place.string();
  }
  Fail("{}: the picture of an answer is not there{}", key,
       image_dir.empty() ? "; name its folder with --images" : " and not in " + image_dir);
}

ClipReport PlanReport(const ClipScoreOptions& options) {
  ClipReport report;
  if (options.compare.empty()) {
    report.files = {options.predictions_file};
    for (const auto& [key, answer] : ReadPredictions(options.predictions_file)) {
      report.pictures.push_back({key, PathOf(key, options.image_dir), {answer}, {}});
    }
  } else {
    report.files = options.compare;
    const PairedAnswers paired =
        PairAnswers(ReadPredictions(options.compare[0]), ReadPredictions(options.compare[1]));
    for (const AnswerPair& pair : paired.pairs) {
      report.pictures.push_back(
          {pair.key_a, PathOf(pair.key_a, options.image_dir), {pair.answer_a, pair.answer_b}, {}});
    }
    report.unpaired = paired.only_a;
    report.unpaired.insert(report.unpaired.end(), paired.only_b.begin(), paired.only_b.end());
  }
  if (report.pictures.empty()) {
    Fail("{}: no answer to score", fmt::join(report.files, " and "));
  }
  return report;
}

ClipJudge LoadJudge(const ClipScoreOptions& options, Progress& progress) {
  ClipJudge::Options judge;
  judge.directory = options.judge_dir.empty() ? ShippedModel("tiny-clip") : options.judge_dir;
  judge.merges = fs::path(ShippedModel("clip-vocabulary")) / "bpe_simple_vocab_16e6.txt.gz";
  judge.num_threads = options.num_threads;
  judge.isa = options.isa;
  judge.on_load_progress = [&](double share) {
    ThrowIfInterrupted();
    progress.Update("loading the judge", share);
  };
  return ClipJudge::Load(judge);
}

void Score(const ClipJudge& judge, ClipReport& report, Progress& progress) {
  size_t done = 0;
  for (ScoredPicture& picture : report.pictures) {
    ThrowIfInterrupted();
    progress.Update("scoring",
                    static_cast<double>(done++) / static_cast<double>(report.pictures.size()));
    const std::vector<float> image = judge.EncodeImage(LoadImage(picture.path));
    for (const std::string& answer : picture.answers) {
      picture.scores.push_back(ClipScore(image, judge.EncodeText(answer)));
    }
  }
}

void PrintOne(const ClipReport& report) {
  for (const ScoredPicture& picture : report.pictures) {
    fmt::print("{:9.6f}  {}\n", picture.scores[0], picture.key);
  }
  fmt::print("mean {:.6f} over {} pictures\n", Mean(report.Scores(0)), report.pictures.size());
}

void PrintTwo(const ClipReport& report, size_t most) {
  const PairedDifference difference = report.Difference();
  fmt::print("A: mean {:.6f}  {}\nB: mean {:.6f}  {}\n", Mean(report.Scores(0)), report.files[0],
             Mean(report.Scores(1)), report.files[1]);
  fmt::print("A - B: {:+.6f}", difference.mean);
  if (difference.has_interval) {
    fmt::print(", 95 % interval {:+.6f} to {:+.6f}", difference.low, difference.high);
  }
  fmt::print(", {} pictures\n", report.pictures.size());
  for (const ScoredPicture* picture : report.MostStriking(most)) {
    if (picture->scores[0] == picture->scores[1]) break;
    fmt::print("{:+.6f}  ({:.6f}, {:.6f})  {}\n", picture->scores[0] - picture->scores[1],
               picture->scores[0], picture->scores[1], picture->key);
  }
  if (!report.unpaired.empty()) {
    fmt::print("in one file only, not counted: {}\n", fmt::join(report.unpaired, ", "));
  }
}

}  // namespace

int Run(const ClipScoreOptions& options) {
  if (options.compare.empty() && options.predictions_file.empty()) {
    Fail("no answers given; for example: ixc clip-score --predictions predict_result.json");
  }
  ClipReport report = PlanReport(options);
  CatchInterrupts();
  Progress progress;
  {
    const ClipJudge judge = LoadJudge(options, progress);
    report.judge = options.judge_dir.empty() ? "tiny-clip" : options.judge_dir;
    Score(judge, report, progress);
  }
  progress.Clear();
  if (!options.output_file.empty()) {
    WriteWholeFile(options.output_file, ReportJson(report) + "\n");
  }
  if (!options.csv_file.empty()) WriteWholeFile(options.csv_file, ReportCsv(report));
  if (!options.html_file.empty()) {
    WriteWholeFile(options.html_file,
                   ReportHtml(report, [](const std::string& path) { return LoadImage(path); }));
  }
  if (options.json) {
    fmt::print("{}\n", ReportJson(report));
  } else if (report.files.size() == 1) {
    PrintOne(report);
  } else {
    PrintTwo(report, static_cast<size_t>(options.most));
  }
  return 0;
}

}  // namespace ixc

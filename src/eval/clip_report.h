// What a scoring run of the CLIP judge found, on its way to JSON, CSV and a page for the browser.
#pragma once

#include <string>
#include <vector>

#include "eval/statistics.h"
#include "image/image.h"

namespace ixc {

// One picture: its answers and scores, one of each a file of answers.
struct ScoredPicture {
  std::string key;   // of the first file
  std::string path;  // where the picture is
  std::vector<std::string> answers;
  std::vector<double> scores;
};

struct ClipReport {
  std::string judge;               // directory
  std::vector<std::string> files;  // one, or two that are compared
  std::vector<ScoredPicture> pictures;
  std::vector<std::string> unpaired;  // keys that only one of two files has

  std::vector<double> Scores(size_t file) const;
  PairedDifference Difference() const;  // of two files
  // Pictures in falling order of what the scores of two files differ by; with one file, in rising
  // order of the score.
  std::vector<const ScoredPicture*> MostStriking(size_t count) const;
};

// One object: judge, count, mean and scores {key: score}; for two files both, and the difference.
std::string ReportJson(const ClipReport& report);

// A header and one line a picture, quoted as RFC 4180 says.
std::string ReportCsv(const ClipReport& report);

// One page without anything from outside: summary, plot, and every picture as a thumbnail with its
// texts and scores. `load` gives the pictures one after the other.
template <typename Load>
std::string ReportHtml(const ClipReport& report, Load&& load);

// "data:image/png;base64,…" of the picture, at most `side` pixels wide and high.
std::string ThumbnailUri(const Image& image, int side);

std::string HtmlHead(const ClipReport& report);
std::string HtmlRow(const ScoredPicture& picture, const std::string& thumbnail);
std::string HtmlTail();

template <typename Load>
std::string ReportHtml(const ClipReport& report, Load&& load) {
  constexpr int kThumbnailSide = 160;
  std::string html = HtmlHead(report);
  for (const ScoredPicture& picture : report.pictures) {
    html += HtmlRow(picture, ThumbnailUri(load(picture.path), kThumbnailSide));
  }
  return html + HtmlTail();
}

}  // namespace ixc

#include "eval/clip_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <span>

#include "base/json.h"
#include "eval/svg_plot.h"
#include "image/write_png.h"

namespace ixc {
namespace {

constexpr const char* kStyle =
    "body{font-family:sans-serif;margin:2em auto;max-width:70em;padding:0 1em;color:#222}"
    "table{border-collapse:collapse}td,th{padding:.4em .8em;border-bottom:1px solid #ddd;"
    "text-align:left;vertical-align:top}.score{font-variant-numeric:tabular-nums;"
    "white-space:nowrap}p.answer{margin:0 0 .5em;white-space:pre-wrap}.key{color:#666;"
    "font-size:85%}img{max-width:160px}";

std::string Base64(std::span<const std::byte> bytes) {
  constexpr std::string_view kAlphabet =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  for (size_t i = 0; i < bytes.size(); i += 3) {
    uint32_t group = 0;
    for (size_t j = 0; j < 3; ++j) {
      group = group << 8 | (i + j < bytes.size() ? std::to_integer<uint32_t>(bytes[i + j]) : 0);
    }
    for (size_t j = 0; j < 4; ++j) {
      text += i + j > bytes.size() ? '=' : kAlphabet[group >> (18 - 6 * j) & 63];
    }
  }
  return text;
}

// Averages boxes of pixels: good enough to recognise a picture by.
Image Shrunk(const Image& image, int side) {
  const int factor = (std::max(image.width, image.height) + side - 1) / side;
  if (factor <= 1) return image;
  Image small(std::max(1, image.width / factor), std::max(1, image.height / factor));
  for (int y = 0; y < small.height; ++y) {
    for (int x = 0; x < small.width; ++x) {
      for (size_t c = 0; c < 3; ++c) {
        int64_t sum = 0, count = 0;
        for (int row = y * factor; row < std::min((y + 1) * factor, image.height); ++row) {
          for (int col = x * factor; col < std::min((x + 1) * factor, image.width); ++col) {
            sum += image.Row(row)[static_cast<size_t>(col) * 3 + c];
            ++count;
          }
        }
        small.Row(y)[static_cast<size_t>(x) * 3 + c] = static_cast<uint8_t>(sum / count);
      }
    }
  }
  return small;
}

std::string CsvField(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == text.npos) return text;
  std::string quoted = "\"";
  for (char c : text) {
    if (c == '"') quoted += '"';
    quoted += c;
  }
  return quoted + '"';
}

Json ScoresJson(const ClipReport& report, size_t file) {
  Json json;
  json["file"] = report.files[file];
  json["mean"] = Mean(report.Scores(file));
  Json scores = Json::object();
  for (const ScoredPicture& picture : report.pictures) {
    scores.push_back({picture.key, picture.scores[file]});
  }
  json["scores"] = std::move(scores);
  return json;
}

Plot ScorePlot(const ClipReport& report) {
  Plot plot;
  if (report.files.size() == 2) {
    plot.title = "Each picture: score of B over score of A";
    plot.x_label = "A";
    plot.y_label = "B";
    PlotSeries dots{"", {}, false};
    double low = 1, high = -1;
    for (const ScoredPicture& picture : report.pictures) {
      dots.points.emplace_back(picture.scores[0], picture.scores[1]);
      low = std::min({low, picture.scores[0], picture.scores[1]});
      high = std::max({high, picture.scores[0], picture.scores[1]});
    }
    plot.series = {std::move(dots), {"equal", {{low, low}, {high, high}}, true}};
    return plot;
  }
  plot.title = "Scores in rising order";
  plot.x_label = "picture";
  plot.y_label = "score";
  std::vector<double> scores = report.Scores(0);
  std::sort(scores.begin(), scores.end());
  PlotSeries line{"", {}, false};
  for (size_t i = 0; i < scores.size(); ++i) {
    line.points.emplace_back(static_cast<double>(i + 1), scores[i]);
  }
  plot.series.push_back(std::move(line));
  return plot;
}

}  // namespace

std::vector<double> ClipReport::Scores(size_t file) const {
  std::vector<double> scores;
  for (const ScoredPicture& picture : pictures) scores.push_back(picture.scores[file]);
  return scores;
}

PairedDifference ClipReport::Difference() const { return ComparePairs(Scores(0), Scores(1)); }

std::vector<const ScoredPicture*> ClipReport::MostStriking(size_t count) const {
  std::vector<const ScoredPicture*> order;
  for (const ScoredPicture& picture : pictures) order.push_back(&picture);
  const auto place = [&](const ScoredPicture* picture) {
    return files.size() == 2 ? -std::abs(picture->scores[0] - picture->scores[1])
                             : picture->scores[0];
  };
  std::stable_sort(order.begin(), order.end(),
                   [&](const auto* a, const auto* b) { return place(a) < place(b); });
  order.resize(std::min(count, order.size()));
  return order;
}

std::string ReportJson(const ClipReport& report) {
  Json json;
  json["version"] = 1;
  json["judge"] = report.judge;
  json["count"] = report.pictures.size();
  if (report.files.size() == 1) {
    json.update(ScoresJson(report, 0));
    return ToText(json);
  }
  json["a"] = ScoresJson(report, 0);
  json["b"] = ScoresJson(report, 1);
  const PairedDifference difference = report.Difference();
  json["difference"] = {{"mean", difference.mean}};
  if (difference.has_interval) {
    json["difference"]["interval_95"] = {difference.low, difference.high};
  }
  json["unpaired"] = report.unpaired;
  return ToText(json);
}

std::string ReportCsv(const ClipReport& report) {
  const bool two = report.files.size() == 2;
  std::string csv = two ? "image,score_a,score_b,difference\n" : "image,score\n";
  for (const ScoredPicture& picture : report.pictures) {
    csv += CsvField(picture.key);
    for (double score : picture.scores) csv += fmt::format(",{:.9f}", score);
    if (two) csv += fmt::format(",{:.9f}", picture.scores[0] - picture.scores[1]);
    csv += '\n';
  }
  return csv;
}

std::string ThumbnailUri(const Image& image, int side) {
  return fmt::format("data:image/png;base64,{}",
                     Base64(EncodePng(Shrunk(image, side), "thumbnail")));
}

std::string HtmlHead(const ClipReport& report) {
  std::string html = fmt::format(
      "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>CLIP scores</title>"
      "<style>{}</style></head><body>\n<h1>CLIP scores</h1>\n<p>Judge: {}. {} pictures.</p>\n"
      "<table>\n",
      kStyle, EscapeXml(report.judge), report.pictures.size());
  const char* names[] = {"A: ", "B: "};
  const bool two = report.files.size() == 2;
  for (size_t file = 0; file < report.files.size(); ++file) {
    html += fmt::format("<tr><td>{}{}</td><td class=\"score\">mean {:.6f}</td></tr>\n",
                        two ? names[file] : "", EscapeXml(report.files[file]),
                        Mean(report.Scores(file)));
  }
  if (two) {
    const PairedDifference difference = report.Difference();
    html += fmt::format("<tr><td>A − B</td><td class=\"score\">{:+.6f}", difference.mean);
    if (difference.has_interval) {
      html += fmt::format(", 95 % interval {:+.6f} … {:+.6f}", difference.low, difference.high);
    }
    html += "</td></tr>\n";
  }
  return html + "</table>\n" + PlotSvg(ScorePlot(report)) + "<table>\n";
}

std::string HtmlRow(const ScoredPicture& picture, const std::string& thumbnail) {
  std::string html =
      fmt::format("<tr><td><img src=\"{}\" alt=\"\"><div class=\"key\">{}</div></td><td>",
                  thumbnail, EscapeXml(picture.key));
  for (const std::string& answer : picture.answers) {
    html += fmt::format("<p class=\"answer\">{}</p>", EscapeXml(answer));
  }
  html += "</td><td class=\"score\">";
  for (double score : picture.scores) html += fmt::format("{:.6f}<br>", score);
  return html + "</td></tr>\n";
}

std::string HtmlTail() { return "</table>\n</body></html>\n"; }

}  // namespace ixc

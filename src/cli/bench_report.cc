#include "cli/bench_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>

#include "base/json.h"

namespace ixc {

namespace {

// Three digits that count.
std::string Short(double value) {
  const int decimals = value >= 100 ? 0 : value >= 10 ? 1 : value >= 1 ? 2 : 3;
  return fmt::format("{:.{}f}", value, decimals);
}

std::string Time(double seconds) {
  if (seconds >= 1) return Short(seconds) + " s";
  return seconds >= 1e-3 ? Short(seconds * 1e3) + " ms" : Short(seconds * 1e6) + " us";
}

Json TextOrNull(const std::string& text) { return text.empty() ? Json() : Json(text); }

Json NumberOrNull(const std::optional<double>& number) { return number ? Json(*number) : Json(); }

}  // namespace

std::optional<double> Figure::Share() const {
  if (!limit || *limit <= 0) return std::nullopt;
  return value / *limit;
}

void BenchReport::Add(const std::vector<Limit>& limits) {
  for (const Limit& limit : limits) {
    const auto known = std::find_if(limits_.begin(), limits_.end(),
                                    [&](const Limit& old) { return old.figure == limit.figure; });
    if (known == limits_.end()) {
      limits_.push_back(limit);
      continue;
    }
    known->best = std::max(known->best, limit.best);
    known->median = std::max(known->median, limit.median);
    known->repeats += limit.repeats;
  }
}

void BenchReport::Finish(bool with_limits) {
  for (const Limit& limit : limits_) {
    if (!with_limits) break;
    Figure figure;
    figure.figure = figure.limit_figure = limit.figure;
    figure.value = limit.median;
    figure.best = limit.best;
    figure.unit = limit.unit;
    figure.repeats = limit.repeats;
    Print(figure);
  }
  for (const Figure& figure : figures_) Print(figure);
}

void BenchReport::Print(Figure figure) {
  for (const Limit& limit : limits_) {
    if (!figure.limit && limit.figure == figure.limit_figure) {
      figure.limit = limit.best * figure.limit_scale;
    }
  }
  if (setting_.format == BenchFormat::kJson) {
    PrintJson(figure);
  } else if (setting_.format == BenchFormat::kCsv) {
    PrintCsv(figure);
  } else {
    PrintRow(figure);
  }
  std::fflush(stdout);
}

void BenchReport::PrintJson(const Figure& figure) const {
  Json json = {{"figure", figure.figure},
               {"value", figure.value},
               {"best", figure.best},
               {"unit", figure.unit},
               {"limit", NumberOrNull(figure.limit)},
               {"share", NumberOrNull(figure.Share())},
               {"seconds", NumberOrNull(figure.seconds)},
               {"threads", setting_.num_threads},
               {"isa", Name(setting_.isa)},
               {"kernel", TextOrNull(figure.kernel)},
               {"shape", TextOrNull(figure.shape)},
               {"repeats", figure.repeats}};
  if (figure.extrapolation) {
    json["layers"] = figure.extrapolation->layers;
    json["layer_seconds"] = figure.extrapolation->layer_seconds;
    json["extrapolated_layers"] = figure.extrapolation->whole_layers;
    json["extrapolated_seconds"] = figure.extrapolation->whole_seconds;
  }
  fmt::print("{}\n", ToText(json));
}

// The columns are the fields of the JSON lines.
void BenchReport::PrintCsv(const Figure& figure) {
  if (!has_header_) {
    fmt::print(
        "figure,value,best,unit,limit,share,seconds,threads,isa,kernel,shape,repeats,"
        "extrapolated_seconds\n");
    has_header_ = true;
  }
  const auto number = [](const std::optional<double>& value) {
    return value ? fmt::format("{:.6g}", *value) : std::string();
  };
  std::optional<double> whole;
  if (figure.extrapolation) whole = figure.extrapolation->whole_seconds;
  fmt::print("{},{},{},{},{},{},{},{},{},{},\"{}\",{},{}\n", figure.figure, number(figure.value),
             number(figure.best), figure.unit, number(figure.limit), number(figure.Share()),
             number(figure.seconds), setting_.num_threads, Name(setting_.isa), figure.kernel,
             figure.shape, figure.repeats, number(whole));
}

void BenchReport::PrintRow(const Figure& figure) {
  if (!has_header_) {
    fmt::print("{} threads, {}\n", setting_.num_threads, Name(setting_.isa));
    fmt::print("{:<26} {:>15} {:>9} {:>9} {:>7} {:>9} {:>7}  {:<18} {}\n", "figure", "median",
               "best", "limit", "share", "time", "repeats", "kernel", "shape");
    has_header_ = true;
  }
  const auto share = figure.Share();
  fmt::print(
      "{:<26} {:>15} {:>9} {:>9} {:>7} {:>9} {:>7}  {:<18} {}\n", figure.figure,
      Short(figure.value) + " " + figure.unit, Short(figure.best),
      figure.limit ? Short(*figure.limit) : "", share ? fmt::format("{:.0f} %", *share * 100) : "",
      figure.seconds ? Time(*figure.seconds) : "", figure.repeats, figure.kernel, figure.shape);
  if (const auto& more = figure.extrapolation) {
    fmt::print("{:<26} {} a layer; extrapolated from {} to {} layers: {}\n", "",
               Time(more->layer_seconds), more->layers, more->whole_layers,
               Time(more->whole_seconds));
  }
}

void BenchReport::Explain(const std::string& operation, const std::string& kernel,
                          const std::string& reason) {
  if (setting_.format == BenchFormat::kJson) {
    const Json json = {
        {"figure", "explain"}, {"operation", operation}, {"kernel", kernel}, {"reason", reason}};
    fmt::print("{}\n", ToText(json));
  } else {
    const char* comment = setting_.format == BenchFormat::kCsv ? "# " : "";
    fmt::print("{}{:<34} {:<20} {}\n", comment, operation, kernel, reason);
  }
  std::fflush(stdout);
}

}  // namespace ixc

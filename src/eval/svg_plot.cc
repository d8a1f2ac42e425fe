#include "eval/svg_plot.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

namespace ixc {
namespace {

constexpr double kWidth = 720, kHeight = 360;
constexpr double kLeft = 70, kRight = 20, kTop = 40, kBottom = 50;
constexpr std::array<const char*, 4> kColors = {"#1f77b4", "#d62728", "#2ca02c", "#9467bd"};

// An axis from `low` to `high` in steps of 1, 2 or 5 times a power of ten.
struct Axis {
  double low = std::numeric_limits<double>::infinity();
  double high = -std::numeric_limits<double>::infinity();
  double step = 1;

  void Include(double value) {
    low = std::min(low, value);
    high = std::max(high, value);
  }
  void Round() {
    if (!(low <= high)) low = high = 0;
    if (high - low < 1e-12) {
      low -= 0.5;
      high += 0.5;
    }
    const double rough = (high - low) / 5;
    const double power = std::pow(10, std::floor(std::log10(rough)));
    step = 10 * power;
    for (double factor : {5.0, 2.0, 1.0}) {
      if (factor * power >= rough) step = factor * power;
    }
    low = std::floor(low / step + 1e-9) * step;
    high = std::ceil(high / step - 1e-9) * step;
  }
  int Ticks() const { return static_cast<int>(std::lround((high - low) / step)); }
  double Share(double value) const { return (value - low) / (high - low); }
};

struct Frame {
  Axis x, y;
  double Px(double value) const { return kLeft + x.Share(value) * (kWidth - kLeft - kRight); }
  double Py(double value) const {
    return kHeight - kBottom - y.Share(value) * (kHeight - kTop - kBottom);
  }
};

std::string Text(double x, double y, const char* anchor, const std::string& text) {
  return fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"{}\">{}</text>\n", x, y, anchor,
                     EscapeXml(text));
}

std::string Grid(const Frame& frame) {
  std::string svg;
  for (int i = 0; i <= frame.y.Ticks(); ++i) {
    const double value = frame.y.low + i * frame.y.step;
    svg += fmt::format("<path d=\"M{:.1f} {:.1f}H{:.1f}\" stroke=\"#ddd\"/>\n", kLeft,
                       frame.Py(value), kWidth - kRight);
    svg += Text(kLeft - 6, frame.Py(value) + 4, "end", fmt::format("{:.6g}", value));
  }
  for (int i = 0; i <= frame.x.Ticks(); ++i) {
    const double value = frame.x.low + i * frame.x.step;
    svg += Text(frame.Px(value), kHeight - kBottom + 18, "middle", fmt::format("{:.6g}", value));
  }
  return svg;
}

std::string Draw(const Frame& frame, const PlotSeries& series, const char* color) {
  std::string svg;
  if (series.line) {
    svg +=
        fmt::format("<polyline fill=\"none\" stroke=\"{}\" stroke-width=\"1.5\" points=\"", color);
    for (const auto& [x, y] : series.points) {
      svg += fmt::format("{:.1f},{:.1f} ", frame.Px(x), frame.Py(y));
    }
    return svg + "\"/>\n";
  }
  for (const auto& [x, y] : series.points) {
    svg += fmt::format("<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"3\" fill=\"{}\"/>\n", frame.Px(x),
                       frame.Py(y), color);
  }
  return svg;
}

}  // namespace

std::string EscapeXml(const std::string& text) {
  std::string escaped;
  for (char c : text) {
    switch (c) {
      case '&':
        escaped += "&amp;";
        break;
      case '<':
        escaped += "&lt;";
        break;
      case '>':
        escaped += "&gt;";
        break;
      case '"':
        escaped += "&quot;";
        break;
      default:
        escaped += c;
    }
  }
  return escaped;
}

std::string PlotSvg(const Plot& plot) {
  Frame frame;
  if (plot.from_zero) frame.y.Include(0);
  for (const PlotSeries& series : plot.series) {
    for (const auto& [x, y] : series.points) {
      frame.x.Include(x);
      frame.y.Include(y);
    }
  }
  frame.x.Round();
  frame.y.Round();
  std::string svg = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0} {1}\" width=\"{0}\" "
      "height=\"{1}\" font-family=\"sans-serif\" font-size=\"12\">\n"
      "<rect width=\"{0}\" height=\"{1}\" fill=\"white\"/>\n",
      kWidth, kHeight);
  svg += Grid(frame);
  svg += Text(kWidth / 2, 18, "middle", plot.title);
  svg += Text(kWidth / 2, kHeight - 10, "middle", plot.x_label);
  svg += fmt::format("<g transform=\"translate(16 {:.1f}) rotate(-90)\">\n{}</g>\n", kHeight / 2,
                     Text(0, 0, "middle", plot.y_label));
  for (size_t i = 0; i < plot.series.size(); ++i) {
    const char* color = kColors[i % kColors.size()];
    svg += Draw(frame, plot.series[i], color);
    if (plot.series[i].name.empty()) continue;
    const double y = kTop - 8 + 16 * static_cast<double>(i);
    svg += fmt::format("<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"4\" fill=\"{}\"/>\n", kLeft + 12, y,
                       color);
    svg += Text(kLeft + 22, y + 4, "start", plot.series[i].name);
  }
  return svg + "</svg>\n";
}

}  // namespace ixc

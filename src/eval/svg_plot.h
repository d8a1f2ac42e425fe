// A small plot as SVG text: points or lines over two axes with round tick marks.
#pragma once

#include <span>
#include <string>
#include <utility>
#include <vector>

namespace ixc {

struct PlotSeries {
  std::string name;
  std::vector<std::pair<double, double>> points;  // (x, y), finite
  bool line = true;                               // else dots
};

struct Plot {
  std::string title;
  std::string x_label;
  std::string y_label;
  std::vector<PlotSeries> series;
  bool from_zero = false;  // the y axis begins at 0
};

// A complete <svg> element, 720 x 360. Texts are escaped.
std::string PlotSvg(const Plot& plot);

// & < > " as entities, for HTML and SVG.
std::string EscapeXml(const std::string& text);

}  // namespace ixc

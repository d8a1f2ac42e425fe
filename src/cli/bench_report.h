// Figures of `ixc bench` on their way to the user: lines of a table, of CSV, or of JSON.
//
// Speeds are held against the best limits of the whole run: a single measurement on a machine with
// other work would make shares above 1. So figures are collected and printed at the end.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cpu/features.h"
#include "kernels/limits/limits.h"

namespace ixc {

// What a run of fewer layers says about the whole model: a layer's time is measured, the rest of
// the whole is arithmetic.
struct Extrapolation {
  int layers = 0;            // that ran
  double layer_seconds = 0;  // of one of them
  int whole_layers = 0;
  double whole_seconds = 0;
};

struct Figure {
  std::string figure;  // gemm.f16, limit.read, …
  double value = 0;    // median of the repeats
  double best = 0;
  std::string unit;
  std::string limit_figure;  // limit.fp32, …: what bounds it; empty: nothing measured does
  double limit_scale = 1;    // from that limit's unit to this one's
  // In this figure's unit: measured in turn with it, or else the best of the run, known at its end.
  std::optional<double> limit;
  std::optional<double> seconds;  // of one repeat, median
  std::string kernel;
  std::string shape;
  int repeats = 1;
  std::optional<Extrapolation> extrapolation;

  // Value over limit; 1 is the machine's own ceiling.
  std::optional<double> Share() const;
};

enum class BenchFormat { kTable, kCsv, kJson };

class BenchReport {
 public:
  struct Setting {
    BenchFormat format = BenchFormat::kTable;
    int num_threads = 0;
    Isa isa = Isa::kScalar;
  };
  explicit BenchReport(const Setting& setting) : setting_(setting) {}

  // Limits may be measured several times; the best counts.
  void Add(const std::vector<Limit>& limits);
  void Add(const Figure& figure) { figures_.push_back(figure); }
  // Prints all that was added, limits first if wanted.
  void Finish(bool with_limits);

  // Printed at once. Which kernel runs an operation (or does not), and why.
  void Explain(const std::string& operation, const std::string& kernel, const std::string& reason);

 private:
  void Print(Figure figure);
  void PrintJson(const Figure& figure) const;
  void PrintCsv(const Figure& figure);
  void PrintRow(const Figure& figure);

  Setting setting_;
  std::vector<Limit> limits_;
  std::vector<Figure> figures_;
  bool has_header_ = false;
};

}  // namespace ixc

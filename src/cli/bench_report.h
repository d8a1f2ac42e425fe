// Figures of `ixc bench` on their way to the user: lines of a table, or JSON lines.
#pragma once

#include <optional>
#include <string>

#include "cpu/features.h"

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
  std::optional<double> limit;    // of this machine, measured in the same run, in the same unit
  std::optional<double> seconds;  // of one repeat, median
  std::string kernel;
  std::string shape;
  int repeats = 1;
  std::optional<Extrapolation> extrapolation;

  // Value over limit; 1 is the machine's own ceiling.
  std::optional<double> Share() const;
};

class BenchReport {
 public:
  struct Setting {
    bool json = false;
    int num_threads = 0;
    Isa isa = Isa::kScalar;
  };
  explicit BenchReport(const Setting& setting) : setting_(setting) {}

  void Print(const Figure& figure);
  // Which kernel runs an operation (or does not), and why.
  void Explain(const std::string& operation, const std::string& kernel, const std::string& reason);

 private:
  void PrintJson(const Figure& figure) const;
  void PrintRow(const Figure& figure);

  Setting setting_;
  bool has_header_ = false;
};

}  // namespace ixc

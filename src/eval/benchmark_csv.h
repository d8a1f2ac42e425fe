// The two tables a performance run of the original leaves behind, byte for byte, so that scripts
// which read them keep working. Only text is made here; who measures and who writes files is
// elsewhere.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace ixc {

// Shortest decimal form that reads back as the same double, laid out as Python's repr() does:
// "3.0", "0.1", "1e-05", "1e+16". The value must be finite.
std::string ShortestDecimal(double value);

// One row of internlmxcomposer2_performance.csv.
struct PerformanceRow {
  int64_t batch = 1;
  int64_t query_tokens = 0;      // the question as plain text, start token included
  int64_t new_tokens = 0;        // tokens generated for the first request
  int64_t prompt_positions = 0;  // prompt length in embeddings, picture positions included
  double first_token_ms = 0;     // written with two decimals' precision, as the original reads it
  double next_token_ms = 0;      // back from its benchmark table
  double response_ms = 0;        // wall time from opening the picture to the text
};
// The header line, its misspelling included, and a row; both end with a newline.
std::string_view PerformanceHeader();
std::string FormatPerformanceRow(const PerformanceRow& row);

// What one generate call cost; the ten columns of the benchmark table are derived from it.
struct BenchmarkCall {
  int64_t batch = 1;
  int64_t prompt_positions = 0;
  int64_t max_new_tokens = 0;  // the limit that was set, not the number that came
  std::vector<double> prefill_seconds;
  std::vector<double> decode_seconds;
};
// Header and one row.
std::string FormatBenchmarkTable(const BenchmarkCall& call);

}  // namespace ixc

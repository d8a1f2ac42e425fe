#include "eval/benchmark_csv.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <cmath>
#include <numeric>

namespace ixc {
namespace {

std::string TwoDecimals(double value) {
  std::array<char, 400> text;
  const auto end =
      std::to_chars(text.data(), text.data() + text.size(), value, std::chars_format::fixed, 2);
  return std::string(text.data(), end.ptr);
}

// The benchmark table leaves a place for the sign.
std::string SignedTwoDecimals(double value) {
  return fmt::format("{}{}", std::signbit(value) ? "" : " ", TwoDecimals(value));
}

double RoundedToTwoDecimals(double value) {
  const std::string text = TwoDecimals(value);
  double rounded = 0;
  std::from_chars(text.data(), text.data() + text.size(), rounded);
  return rounded;
}

// A list is one field, so it is quoted as soon as it holds a comma.
std::string ListField(const std::vector<double>& values) {
  std::string joined;
  for (const double value : values) {
    if (!joined.empty()) joined += ',';
    joined += ShortestDecimal(value);
  }
  return values.size() > 1 ? '"' + joined + '"' : joined;
}

}  // namespace

std::string ShortestDecimal(double value) {
  const double size = std::abs(value);
  const bool plain = size == 0 || (size >= 1e-4 && size < 1e16);
  std::array<char, 64> text;
  const auto end = std::to_chars(text.data(), text.data() + text.size(), value,
                                 plain ? std::chars_format::fixed : std::chars_format::scientific);
  std::string result(text.data(), end.ptr);
  if (plain && result.find('.') == std::string::npos) result += ".0";
  return result;
}

std::string_view PerformanceHeader() {
  return "batch, input_len, output_len, embedding_len, fisrt_token_time(ms), "
         "                non_first_token_time(ms), ResponseTime(ms),"
         "E2E Throughput Average(Tokens/s)\n";
}

std::string FormatPerformanceRow(const PerformanceRow& row) {
  const std::string gap = fmt::format(", {:16}", "");
  // The original's guard against a division by zero.
  const double throughput =
      static_cast<double>(row.batch * row.new_tokens) / (row.response_ms / 1000 + 1e-12);
  return std::to_string(row.batch) + ", " + std::to_string(row.query_tokens) + ", " +
         std::to_string(row.new_tokens) + "," + std::to_string(row.prompt_positions) + gap +
         ShortestDecimal(RoundedToTwoDecimals(row.first_token_ms)) + "," +
         ShortestDecimal(RoundedToTwoDecimals(row.next_token_ms)) + ", " +
         ShortestDecimal(row.response_ms) + gap + ShortestDecimal(throughput) + "\n";
}

std::string FormatBenchmarkTable(const BenchmarkCall& call) {
  const auto total_ms = [](const std::vector<double>& seconds) {
    return 1000 * std::accumulate(seconds.begin(), seconds.end(), 0.0);
  };
  const double prefill_ms = total_ms(call.prefill_seconds);
  const double decode_ms = total_ms(call.decode_seconds);
  const int64_t steps = call.max_new_tokens - 1;
  const double step_ms = steps > 0 ? decode_ms / static_cast<double>(steps) : 0;
  return "batch_size,input_seq_len,output_seq_len,e2e_time(ms),prefill_time(ms),"
         "decoder_token_time(ms),prefill_count,prefill_token_times,decode_token_times,"
         "prefill_average_time(ms)\n" +
         std::to_string(call.batch) + "," + std::to_string(call.prompt_positions) + "," +
         std::to_string(call.max_new_tokens) + "," + SignedTwoDecimals(prefill_ms + decode_ms) +
         "," + SignedTwoDecimals(prefill_ms) + "," + SignedTwoDecimals(step_ms) + "," +
         std::to_string(call.prefill_seconds.size()) + "," + ListField(call.prefill_seconds) + "," +
         ListField(call.decode_seconds) + "," +
         SignedTwoDecimals(prefill_ms / static_cast<double>(call.batch)) + "\n";
}

}  // namespace ixc

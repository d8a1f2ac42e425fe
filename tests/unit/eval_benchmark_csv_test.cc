#include <gtest/gtest.h>

#include "eval/benchmark_csv.h"

namespace ixc {
namespace {

TEST(ShortestDecimal, IsLaidOutAsPythonDoes) {
  EXPECT_EQ(ShortestDecimal(3), "3.0");
  EXPECT_EQ(ShortestDecimal(0), "0.0");
  EXPECT_EQ(ShortestDecimal(0.1), "0.1");
  EXPECT_EQ(ShortestDecimal(0.0001), "0.0001");
  EXPECT_EQ(ShortestDecimal(0.00001), "1e-05");
  EXPECT_EQ(ShortestDecimal(1e16), "1e+16");
  EXPECT_EQ(ShortestDecimal(1234.5678), "1234.5678");
  EXPECT_EQ(ShortestDecimal(-2.5), "-2.5");
}

TEST(PerformanceCsv, HasTheBytesOfTheOriginal) {
  EXPECT_EQ(PerformanceHeader(),
            "batch, input_len, output_len, embedding_len, fisrt_token_time(ms),                 "
            "non_first_token_time(ms), ResponseTime(ms),E2E Throughput Average(Tokens/s)\n");
  EXPECT_EQ(
      FormatPerformanceRow({.batch = 2,
                            .query_tokens = 14,
                            .new_tokens = 256,
                            .prompt_positions = 1263,
                            .first_token_ms = 250.004,
                            .next_token_ms = 31.256,
                            .response_ms = 8000}),
      "2, 14, 256,1263,                 250.0,31.26, 8000.0,                 63.999999999992\n");
}

TEST(BenchmarkCsv, HasTenColumnsAndQuotesLists) {
  const std::string table = FormatBenchmarkTable({.batch = 2,
                                                  .prompt_positions = 100,
                                                  .max_new_tokens = 3,
                                                  .prefill_seconds = {0.5},
                                                  .decode_seconds = {0.25, 0.125}});
  EXPECT_EQ(table,
            "batch_size,input_seq_len,output_seq_len,e2e_time(ms),prefill_time(ms),"
            "decoder_token_time(ms),prefill_count,prefill_token_times,decode_token_times,"
            "prefill_average_time(ms)\n"
            "2,100,3, 875.00, 500.00, 187.50,1,0.5,\"0.25,0.125\", 250.00\n");
}

TEST(BenchmarkCsv, OneNewTokenHasNoDecodeTime) {
  const std::string table = FormatBenchmarkTable(
      {.max_new_tokens = 1, .prefill_seconds = {0.5, 0.5}, .decode_seconds = {}});
  EXPECT_NE(table.find("\n1,0,1, 1000.00, 1000.00, 0.00,2,\"0.5,0.5\",, 1000.00\n"),
            std::string::npos);
}

}  // namespace
}  // namespace ixc

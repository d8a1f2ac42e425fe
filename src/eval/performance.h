// Times one question about one picture, as the original's performance run does: arg-max decoding
// that does not stop at the end of the answer, so that the number of new tokens is known.
//
// A batch of N asks the same question N times, one after the other: times of a batch are the sums
// over its requests.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "engine/pipeline.h"
#include "eval/benchmark_csv.h"

namespace ixc {

struct PerformanceSettings {
  std::function<Image()> load_picture;  // opens and decodes the picture: a part of what is timed
  std::string query;                    // <ImageHere> included, or a mark is put in front
  std::optional<std::string> system;
  int hd_num = kDefaultHdNum;
  int batch = 1;
  int max_new_tokens = 256;
  bool stop_at_end = false;           // as soon as the model closes its turn
  std::function<void()> before_step;  // called before every piece of work; may throw to end the run
};

// What one request of a batch took, in seconds.
struct RequestTiming {
  double picture = 0;          // file to pixels
  double vision = 0;           // transform, tower, projector
  double prompt = 0;           // tokenizer, embeddings
  double prefill = 0;          // prompt through the decoder, first token chosen
  std::vector<double> decode;  // every further token
};

struct PerformanceRun {
  int batch = 1;
  int max_new_tokens = 0;
  int64_t query_tokens = 0;   // the query as plain text, start token included
  int64_t prompt_tokens = 0;  // picture positions included
  int64_t image_tokens = 0;
  int64_t new_tokens = 0;  // of the first request
  std::vector<RequestTiming> requests;
  double response_seconds = 0;  // from opening the picture to the text, all requests
  std::vector<double>
      read_bytes;    // weights, keys and values that each decode step of a request reads
  std::string text;  // of the first request

  // Sums over the requests, step by step.
  std::vector<double> DecodeSeconds() const;
  // Bytes read over time of the decode steps.
  double DecodeBytesPerSecond() const;
  BenchmarkCall ToBenchmarkCall() const;
  PerformanceRow ToRow() const;
};

PerformanceRun MeasurePerformance(const Pipeline& pipeline, const PerformanceSettings& settings);

}  // namespace ixc

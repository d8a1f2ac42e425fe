// What the server has done, in the text form that Prometheus reads. Names follow vLLM's where it
// has them. Every function may be called from any thread.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <mutex>
#include <span>
#include <string>
#include <utility>

#include "engine/service.h"

namespace ixc {

// How many values were at most as large as each bound.
class Histogram {
 public:
  // The bounds ascend and outlive the histogram.
  explicit Histogram(std::span<const double> bounds);
  void Add(double value);
  void Print(const std::string& name, const std::string& help, std::string& out) const;

 private:
  std::span<const double> bounds_;
  std::vector<int64_t> counts_;  // of each interval, the one above all bounds included
  double sum_ = 0;
};

class Metrics {
 public:
  Metrics();

  void CountResponse(const std::string& route, int status);
  void CountRejected(const std::string& reason);
  void CountPicture(double decode_seconds);
  void CountFinished(const ServiceResult& result);

  // `ready`: there is a service, whose `stats` these are.
  std::string Print(bool ready, const ServiceStats& stats, int num_connections) const;

 private:
  mutable std::mutex mutex_;
  std::map<std::pair<std::string, int>, int64_t> responses_;
  std::map<std::string, int64_t> rejected_;
  std::map<std::string, int64_t> finished_;
  int64_t pictures_ = 0;
  double picture_seconds_ = 0;
  Histogram first_token_;
  Histogram per_token_;
  Histogram whole_;
  Histogram queue_;
};

}  // namespace ixc

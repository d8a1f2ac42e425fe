#include "server/metrics.h"

#include <fmt/format.h>

#include <algorithm>

namespace ixc {
namespace {

// vLLM's, widened: on a processor a picture of the 4KHD model takes minutes.
constexpr std::array<double, 16> kFirstToken = {0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1,   2.5,
                                                5,    10,    20,   40,  80,   160, 320, 640};
constexpr std::array<double, 12> kPerToken = {0.005, 0.01, 0.025, 0.05, 0.1, 0.15,
                                              0.2,   0.3,  0.5,   1,    2.5, 5};
constexpr std::array<double, 15> kWhole = {0.05, 0.1, 0.25, 0.5, 1,   2.5, 5,   10,
                                           20,   40,  80,   160, 320, 640, 1280};

void Heading(const std::string& name, const char* type, const std::string& help, std::string& out) {
  out += fmt::format("# HELP {} {}\n# TYPE {} {}\n", name, help, name, type);
}

template <typename Number>
void Single(const std::string& name, const char* type, const std::string& help, Number value,
            std::string& out) {
  Heading(name, type, help, out);
  out += fmt::format("{} {}\n", name, value);
}

void Labelled(const std::string& name, const std::string& help, const char* label,
              const std::map<std::string, int64_t>& counts, std::string& out) {
  Heading(name, "counter", help, out);
  for (const auto& [value, count] : counts) {
    out += fmt::format("{}{{{}=\"{}\"}} {}\n", name, label, value, count);
  }
}

void PrintService(const ServiceStats& stats, std::string& out) {
  const auto total = static_cast<double>(std::max<int64_t>(stats.kv_blocks_total, 1));
  const int64_t busy = stats.kv_blocks_used - stats.kv_blocks_cached;
  Single("ixc_num_requests_running", "gauge", "Requests that are being worked on.", stats.running,
         out);
  Single("ixc_num_requests_waiting", "gauge", "Requests that wait for memory or their turn.",
         stats.waiting, out);
  Single("ixc_kv_cache_usage_perc", "gauge",
         "Share of the key and value blocks that requests hold, 0 to 1.",
         static_cast<double>(busy) / total, out);
  Single("ixc_kv_blocks", "gauge", "Blocks for keys and values.", stats.kv_blocks_total, out);
  Single("ixc_kv_blocks_used", "gauge", "Blocks that hold something.", stats.kv_blocks_used, out);
  Single("ixc_kv_blocks_cached", "gauge",
         "Used blocks that no request needs and later ones may find.", stats.kv_blocks_cached, out);
  Single("ixc_picture_cache_bytes", "gauge", "Memory of encoded pictures that are kept.",
         stats.picture_cache_bytes, out);
  Single("ixc_prompt_tokens_total", "counter", "Tokens of prompts, those of pictures included.",
         stats.prompt_tokens, out);
  Single("ixc_generation_tokens_total", "counter", "Generated tokens.", stats.generated_tokens,
         out);
  Single("ixc_prompt_tokens_cached_total", "counter",
         "Tokens of prompts that had been read before.", stats.cached_tokens, out);
  Single("ixc_prefix_cache_queries_total", "counter", "Tokens looked up in the prefix cache.",
         stats.prompt_tokens, out);
  Single("ixc_prefix_cache_hits_total", "counter", "Tokens found in the prefix cache.",
         stats.cached_tokens, out);
  Single("ixc_requests_cancelled_total", "counter", "Requests whose client left.", stats.cancelled,
         out);
  Single("ixc_requests_failed_total", "counter", "Requests that ended with an error.", stats.failed,
         out);
  Single("ixc_engine_steps_total", "counter", "Steps of the engine.", stats.steps, out);
  Single("ixc_tower_seconds_total", "counter", "Time in the vision tower.", stats.tower_seconds,
         out);
}

}  // namespace

Histogram::Histogram(std::span<const double> bounds)
    : bounds_(bounds), counts_(bounds.size() + 1) {}

void Histogram::Add(double value) {
  const auto bound = std::ranges::lower_bound(bounds_, value);
  ++counts_[static_cast<size_t>(bound - bounds_.begin())];
  sum_ += value;
}

void Histogram::Print(const std::string& name, const std::string& help, std::string& out) const {
  Heading(name, "histogram", help, out);
  int64_t below = 0;
  for (size_t i = 0; i < bounds_.size(); ++i) {
    below += counts_[i];
    out += fmt::format("{}_bucket{{le=\"{}\"}} {}\n", name, bounds_[i], below);
  }
  below += counts_.back();
  out += fmt::format("{}_bucket{{le=\"+Inf\"}} {}\n{}_sum {}\n{}_count {}\n", name, below, name,
                     sum_, name, below);
}

Metrics::Metrics()
    : first_token_(kFirstToken), per_token_(kPerToken), whole_(kWhole), queue_(kWhole) {}

void Metrics::CountResponse(const std::string& route, int status) {
  const std::lock_guard lock(mutex_);
  ++responses_[{route, status}];
}

void Metrics::CountRejected(const std::string& reason) {
  const std::lock_guard lock(mutex_);
  ++rejected_[reason];
}

void Metrics::CountPicture(double decode_seconds) {
  const std::lock_guard lock(mutex_);
  ++pictures_;
  picture_seconds_ += decode_seconds;
}

void Metrics::CountFinished(const ServiceResult& result) {
  if (result.error) return;
  const std::lock_guard lock(mutex_);
  ++finished_[Name(result.finish_reason)];
  if (result.generated_tokens < 1) return;
  first_token_.Add(result.first_token_seconds);
  queue_.Add(result.queue_seconds);
  whole_.Add(result.total_seconds);
  if (result.generated_tokens < 2) return;
  per_token_.Add((result.total_seconds - result.first_token_seconds) /
                 static_cast<double>(result.generated_tokens - 1));
}

std::string Metrics::Print(bool ready, const ServiceStats& stats, int num_connections) const {
  std::string out;
  Single("ixc_http_connections", "gauge", "Open connections.", num_connections, out);
  if (ready) PrintService(stats, out);
  const std::lock_guard lock(mutex_);
  Heading("ixc_http_responses_total", "counter", "Answers by route and status.", out);
  for (const auto& [key, count] : responses_) {
    out += fmt::format("ixc_http_responses_total{{route=\"{}\",status=\"{}\"}} {}\n", key.first,
                       key.second, count);
  }
  Labelled("ixc_requests_rejected_total", "Requests that were answered with an error, by its code.",
           "reason", rejected_, out);
  Labelled("ixc_request_success_total", "Answers of the model by how they ended.",
           "finished_reason", finished_, out);
  Single("ixc_pictures_decoded_total", "counter", "Pictures that were decoded.", pictures_, out);
  Single("ixc_picture_decode_seconds_total", "counter", "Time spent getting and decoding pictures.",
         picture_seconds_, out);
  first_token_.Print("ixc_time_to_first_token_seconds", "From the request to its first token.",
                     out);
  per_token_.Print("ixc_time_per_output_token_seconds", "Mean time between tokens of an answer.",
                   out);
  whole_.Print("ixc_e2e_request_latency_seconds", "From the request to the end of its answer.",
               out);
  queue_.Print("ixc_request_queue_time_seconds", "From the request to the first work on it.", out);
  return out;
}

}  // namespace ixc

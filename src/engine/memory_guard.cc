#include "engine/memory_guard.h"

#include <limits>
#include <string_view>

#include "base/error.h"
#include "model/census.h"

namespace ixc {

namespace {

// The program itself, its threads, the tokenizer: measured with models so small that nothing else
// counts.
constexpr uint64_t kProgramBytes = 40'000'000;

std::string Size(uint64_t bytes) {
  const double megabytes = static_cast<double>(bytes) / 1e6;
  return megabytes < 1000 ? fmt::format("{:.1f} MB", megabytes)
                          : fmt::format("{:.2f} GB", megabytes / 1000);
}

uint64_t KeyValueBytes(const KvShape& kv, int64_t num_layers, int64_t positions) {
  return static_cast<uint64_t>(NumKeyBlocks(positions) * num_layers) * kv.BlockBytes();
}

// A part of the model once it is loaded; integers with their scales.
uint64_t LoadedBytes(const CensusPart& part, const EngineOptions& options) {
  const bool is_linear = part.name == kPartDecoderLinears;
  const bool is_head = part.name == kPartOutputHead;
  const uint64_t elements = part.num_elements;
  if (is_linear && options.scheme == "w4") {
    const auto group = static_cast<uint64_t>(options.group);
    return elements / 2 + elements / group * sizeof(uint16_t);
  }
  if ((is_linear || is_head) && !options.scheme.empty()) return elements + elements / 128;
  const bool is_cast = !options.dtype.empty() && part.dtypes == std::vector<std::string>{"F32"};
  return is_cast ? part.num_bytes / 2 : part.num_bytes;
}

}  // namespace

MemoryGuard::MemoryGuard(const WeightDirectory& weights, const EngineOptions& options)
    : limit_(options.max_memory) {
  const Census census = TakeCensus(weights.checkpoint, weights.config, weights.kind, 0);
  for (const CensusPart& part : census.parts) {
    if (part.name != kPartEmbeddings) weights_ += LoadedBytes(part, options);
  }
  const MemoryPlan& longest = census.memory;
  const uint64_t total = kProgramBytes + weights_ + longest.keys_and_values + longest.activations;
  if (options.on_memory_plan) {
    options.on_memory_plan(
        total, fmt::format("memory plan: weights {}, keys and values of {} positions (the longest "
                           "prompt) {}, activations {}, the program {}: {} in all{}",
                           Size(weights_), longest.context, Size(longest.keys_and_values),
                           Size(longest.activations), Size(kProgramBytes), Size(total),
                           limit_ > 0 ? fmt::format("; {} allowed", Size(limit_)) : ""));
  }
  if (limit_ > 0 && kProgramBytes + weights_ > limit_) {
    Fail(
        "{}: the weights need {}, --max-memory allows {}; use --scheme w8a8d or w4, --dtype f16 "
        "for float32 weights, or a smaller model",
        census.directory, Size(kProgramBytes + weights_), Size(limit_));
  }
}

uint64_t MemoryGuard::Left() const {
  return limit_ == 0 ? std::numeric_limits<uint64_t>::max() : limit_ - kProgramBytes - weights_;
}

void MemoryGuard::Check(const Request& request, const KvShape& kv, int64_t num_layers) const {
  if (limit_ == 0) return;
  const uint64_t keys_and_values =
      KeyValueBytes(kv, num_layers, request.positions) * static_cast<uint64_t>(request.sequences);
  const uint64_t total = kProgramBytes + weights_ + keys_and_values + request.other;
  if (total <= limit_) return;
  Fail(
      "this needs {} (weights {}, keys and values of {} positions {}, pictures and activations {}, "
      "the program {}), --max-memory allows {}; use a smaller --hd-num, --max-new-tokens or number "
      "of beams, or --scheme w8a8d or w4",
      Size(total), Size(weights_), request.positions, Size(keys_and_values), Size(request.other),
      Size(kProgramBytes), Size(limit_));
}

}  // namespace ixc

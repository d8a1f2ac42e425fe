#include "engine/sampler.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace ixc {

namespace {

constexpr float kRemoved = -std::numeric_limits<float>::infinity();

// exp(l - max) of every logit; returns their sum.
double Exponentials(std::span<const float> logits, std::vector<double>& out) {
  const float best = *std::max_element(logits.begin(), logits.end());
  out.resize(logits.size());
  double sum = 0;
  for (size_t i = 0; i < logits.size(); ++i) {
    out[i] = std::exp(static_cast<double>(logits[i] - best));
    sum += out[i];
  }
  return sum;
}

}  // namespace

void ApplyRepetitionPenalty(std::span<const int32_t> seen, float penalty, std::span<float> logits) {
  if (penalty == 1.0f) return;
  std::vector<int32_t> unique(seen.begin(), seen.end());
  std::sort(unique.begin(), unique.end());
  unique.erase(std::unique(unique.begin(), unique.end()), unique.end());
  for (int32_t id : unique) {
    float& logit = logits[static_cast<size_t>(id)];
    logit = logit < 0 ? logit * penalty : logit / penalty;
  }
}

void ApplyTopK(int k, std::span<float> logits) {
  if (k <= 0 || static_cast<size_t>(k) >= logits.size()) return;
  std::vector<float> sorted(logits.begin(), logits.end());
  std::nth_element(sorted.begin(), sorted.begin() + (k - 1), sorted.end(), std::greater<>());
  const float threshold = sorted[static_cast<size_t>(k - 1)];
  for (float& logit : logits) {
    if (logit < threshold) logit = kRemoved;
  }
}

void ApplyTopP(float top_p, std::span<float> logits) {
  if (top_p >= 1.0f) return;
  std::vector<double> weights;
  const double sum = Exponentials(logits, weights);
  std::vector<size_t> ascending(logits.size());
  std::iota(ascending.begin(), ascending.end(), size_t{0});
  std::stable_sort(ascending.begin(), ascending.end(),
                   [&](size_t a, size_t b) { return logits[a] < logits[b]; });
  double cumulative = 0;
  for (size_t i = 0; i + 1 < ascending.size(); ++i) {
    cumulative += weights[ascending[i]] / sum;
    if (cumulative > 1.0 - static_cast<double>(top_p)) break;
    logits[ascending[i]] = kRemoved;
  }
}

int32_t ArgMax(std::span<const float> logits) {
  return static_cast<int32_t>(std::max_element(logits.begin(), logits.end()) - logits.begin());
}

double LogSumExp(std::span<const float> logits) {
  const double best = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (float logit : logits) sum += std::exp(logit - best);
  return best + std::log(sum);
}

Sampler::Sampler(const GenerationOptions& options, std::vector<int32_t> penalised, LogitRules rules)
    : options_(options),
      rules_(std::move(rules)),
      seen_(std::move(penalised)),
      random_(options.seed) {}

void Sampler::ApplyRules() {
  for (const auto& [id, bias] : rules_.bias) work_[static_cast<size_t>(id)] += bias;
  if (rules_.constraint != nullptr) rules_.constraint->Mask(work_);
  for (const auto& [id, count] : counts_) {
    work_[static_cast<size_t>(id)] -=
        rules_.presence_penalty + rules_.frequency_penalty * static_cast<float>(count);
  }
}

int32_t Sampler::Next(std::span<const float> logits) {
  work_.assign(logits.begin(), logits.end());
  ApplyRules();
  ApplyRepetitionPenalty(seen_, options_.repetition_penalty, work_);
  int32_t id = 0;
  if (options_.sample) {
    for (float& logit : work_) logit /= options_.temperature;
    ApplyTopK(options_.top_k, work_);
    ApplyTopP(options_.top_p, work_);
    id = Draw(work_);
  } else {
    id = ArgMax(work_);
  }
  seen_.push_back(id);
  if (rules_.presence_penalty != 0 || rules_.frequency_penalty != 0) ++counts_[id];
  if (rules_.constraint != nullptr) rules_.constraint->Accept(id);
  return id;
}

int32_t Sampler::Draw(std::span<const float> logits) {
  std::vector<double> weights;
  const double sum = Exponentials(logits, weights);
  // 53 random bits: the same draw from the same seed with every standard library.
  double remaining = static_cast<double>(random_() >> 11) * 0x1p-53 * sum;
  int32_t last = 0;
  for (size_t i = 0; i < weights.size(); ++i) {
    if (weights[i] == 0) continue;
    last = static_cast<int32_t>(i);
    remaining -= weights[i];
    if (remaining < 0) break;
  }
  return last;
}

}  // namespace ixc

#include "engine/beam_search.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "engine/sampler.h"

namespace ixc {

namespace {

constexpr double kLengthPenalty = 1.0;

struct Beam {
  std::vector<int32_t> ids;
  double score = 0;
  std::vector<float> logits;
  Sequence sequence;
};

struct Candidate {
  size_t beam = 0;
  int32_t id = 0;
  double score = 0;
};

struct Hypothesis {
  std::vector<int32_t> ids;
  double rating = 0;  // score / length^penalty
  bool closed = false;
};

// The hypotheses worth keeping: at most `width`, best first.
class Finished {
 public:
  explicit Finished(size_t width) : width_(width) {}

  void Add(Hypothesis hypothesis) {
    const auto place = std::upper_bound(
        kept_.begin(), kept_.end(), hypothesis,
        [](const Hypothesis& a, const Hypothesis& b) { return a.rating > b.rating; });
    kept_.insert(place, std::move(hypothesis));
    if (kept_.size() > width_) kept_.pop_back();
  }

  bool CannotImprove(double best_rating) const {
    return kept_.size() >= width_ && kept_.back().rating >= best_rating;
  }
  const Hypothesis& best() const { return kept_.front(); }

 private:
  size_t width_;
  std::vector<Hypothesis> kept_;
};

std::vector<double> LogSoftmax(std::span<const float> logits) {
  const double normaliser = LogSumExp(logits);
  std::vector<double> out(logits.size());
  for (size_t i = 0; i < logits.size(); ++i) out[i] = logits[i] - normaliser;
  return out;
}

// The best `count` continuations of all beams, best first.
std::vector<Candidate> BestCandidates(const std::vector<Beam>& beams, size_t count,
                                      std::span<const int32_t> penalised, float penalty) {
  std::vector<Candidate> all;
  for (size_t b = 0; b < beams.size(); ++b) {
    // As in the reference, the penalty works on log probabilities here.
    const std::vector<double> log_probabilities = LogSoftmax(beams[b].logits);
    std::vector<float> scores(log_probabilities.begin(), log_probabilities.end());
    std::vector<int32_t> seen(penalised.begin(), penalised.end());
    seen.insert(seen.end(), beams[b].ids.begin(), beams[b].ids.end());
    ApplyRepetitionPenalty(seen, penalty, scores);
    for (size_t id = 0; id < scores.size(); ++id) {
      all.push_back({b, static_cast<int32_t>(id), beams[b].score + scores[id]});
    }
  }
  count = std::min(count, all.size());
  const auto better = [](const Candidate& x, const Candidate& y) {
    if (x.score != y.score) return x.score > y.score;
    return x.beam != y.beam ? x.beam < y.beam : x.id < y.id;
  };
  std::partial_sort(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(count), all.end(),
                    better);
  all.resize(count);
  return all;
}

// score / length^penalty; `length` counts what the reference counts: the ids it was given (one BOS
// when the prompt came as embeddings, else the whole prompt) and the new ones.
double Rating(double score, size_t length) {
  return score / std::pow(static_cast<double>(length), kLengthPenalty);
}

}  // namespace

GeneratedTokens BeamSearch(const Pipeline& pipeline, const AssembledPrompt& prompt,
                           std::span<const float> logits, Sequence sequence,
                           const GenerationOptions& options,
                           const std::function<bool()>& is_cancelled) {
  const size_t width = static_cast<size_t>(options.num_beams);
  const auto stops = pipeline.stop_ids();
  const size_t given = prompt.penalised_ids.size();
  Finished finished(width);
  std::vector<Beam> beams;
  beams.push_back({{}, 0.0, {logits.begin(), logits.end()}, std::move(sequence)});

  for (int step = 1; step <= options.max_new_tokens; ++step) {
    if (is_cancelled && is_cancelled()) return {beams[0].ids, FinishReason::kCancelled, 0, 0};
    const auto candidates =
        BestCandidates(beams, 2 * width, prompt.penalised_ids, options.repetition_penalty);
    const size_t length = given + static_cast<size_t>(step);
    std::vector<Candidate> chosen;
    for (size_t rank = 0; rank < candidates.size() && chosen.size() < width; ++rank) {
      const Candidate& candidate = candidates[rank];
      if (std::find(stops.begin(), stops.end(), candidate.id) == stops.end()) {
        chosen.push_back(candidate);
      } else if (rank < width) {
        std::vector<int32_t> ids = beams[candidate.beam].ids;
        ids.push_back(candidate.id);
        finished.Add({std::move(ids), Rating(candidate.score, length - 1), true});
      }
    }
    if (chosen.empty() || finished.CannotImprove(Rating(candidates[0].score, length))) break;

    const bool last_step = step == options.max_new_tokens;
    std::vector<Beam> next;
    for (const Candidate& candidate : chosen) {
      const Beam& parent = beams[candidate.beam];
      Beam beam{parent.ids, candidate.score, {}, parent.sequence.Fork()};
      beam.ids.push_back(candidate.id);
      if (last_step) {
        finished.Add({beam.ids, Rating(beam.score, length), false});
      } else {
        const Matrix step_logits = pipeline.Step(std::span(&candidate.id, 1), beam.sequence);
        beam.logits.assign(step_logits.data(), step_logits.data() + step_logits.cols());
      }
      next.push_back(std::move(beam));
    }
    beams = std::move(next);
  }
  const Hypothesis& best = finished.best();
  return {best.ids, best.closed ? FinishReason::kStop : FinishReason::kLength, 0, 0};
}

}  // namespace ixc

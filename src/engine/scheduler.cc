#include "engine/scheduler.h"

#include <algorithm>

namespace ixc {

void Scheduler::Remove(uint64_t number) {
  std::erase(waiting_, number);
  turns_.remove(number);
  decoding_.remove(number);
  running_.erase(number);
}

std::vector<uint64_t> Scheduler::Admit(const std::function<bool(uint64_t number)>& fits) {
  std::vector<uint64_t> admitted;
  while (!waiting_.empty() && num_running() < limits_.max_running && fits(waiting_.front())) {
    const uint64_t number = waiting_.front();
    waiting_.pop_front();
    running_[number].order = admitted_++;
    turns_.push_back(number);
    admitted.push_back(number);
  }
  return admitted;
}

void Scheduler::StartPrompt(uint64_t number, int64_t rows) {
  Running& running = running_.at(number);
  running.has_pictures = true;
  running.rows = rows;
}

void Scheduler::FinishRows(uint64_t number, int64_t rows) {
  Running& running = running_.at(number);
  running.rows -= rows;
  if (running.rows > 0) return;
  turns_.remove(number);
  const auto later = std::find_if(decoding_.begin(), decoding_.end(), [&](uint64_t other) {
    return running_.at(other).order > running.order;
  });
  decoding_.insert(later, number);
}

StepPlan Scheduler::Plan() {
  StepPlan plan;
  plan.decoding.assign(decoding_.begin(), decoding_.end());
  if (turns_.empty()) return plan;
  plan.number = turns_.front();
  turns_.splice(turns_.end(), turns_, turns_.begin());
  const Running& running = running_.at(plan.number);
  plan.piece = running.has_pictures ? StepPlan::Piece::kPrompt : StepPlan::Piece::kPicture;
  if (running.has_pictures) {
    plan.rows = std::min(limits_.chunk_rows, running.rows);
    if (!decoding_.empty()) plan.rows = std::min(limits_.chunk_rows_beside_streams, plan.rows);
  }
  return plan;
}

}  // namespace ixc

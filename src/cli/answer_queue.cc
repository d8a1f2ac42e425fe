#include "cli/answer_queue.h"

#include <chrono>
#include <utility>

#include "cli/interrupt.h"

namespace ixc {

void AnswerQueue::Submit(Service& service, size_t index, ServiceRequest request) {
  ServiceSink sink;
  sink.on_token = [this, index](const TokenEvent& event) {
    std::lock_guard lock(mutex_);
    texts_[index] += event.text;
  };
  sink.on_finish = [this, index](const ServiceResult& result) {
    std::lock_guard lock(mutex_);
    ended_.push_back({index, std::move(texts_[index]), result});
    texts_.erase(index);
    changed_.notify_one();
  };
  open_[index] = service.Submit(std::move(request), std::move(sink));
}

Answered AnswerQueue::Await(Service& service) {
  constexpr auto kLookForInterrupts = std::chrono::milliseconds(50);
  std::unique_lock lock(mutex_);
  while (!changed_.wait_for(lock, kLookForInterrupts, [&] { return !ended_.empty(); })) {
    if (!IsInterrupted() || is_cancelled_) continue;
    is_cancelled_ = true;
    lock.unlock();
    for (const auto& [index, number] : open_) service.Cancel(number);
    lock.lock();
  }
  Answered answered = std::move(ended_.front());
  ended_.pop_front();
  open_.erase(answered.index);
  return answered;
}

}  // namespace ixc

// Requests that a command keeps going through a Service at the same time, and their answers in the
// order in which they end. Used by one thread beside that of the service.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <mutex>
#include <string>

#include "engine/service.h"

namespace ixc {

struct Answered {
  size_t index = 0;  // as given to Submit()
  std::string text;
  ServiceResult result;
};

class AnswerQueue {
 public:
  // The service must be gone before the queue is.
  AnswerQueue() = default;
  AnswerQueue(const AnswerQueue&) = delete;
  AnswerQueue& operator=(const AnswerQueue&) = delete;

  void Submit(Service& service, size_t index, ServiceRequest request);
  size_t num_open() const { return open_.size(); }
  // Waits for the next one that has ended; call only when some are open. Ctrl-C cancels all of
  // them; they are still handed out.
  Answered Await(Service& service);

 private:
  std::map<size_t, uint64_t> open_;  // index to the service's number
  bool is_cancelled_ = false;

  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<size_t, std::string> texts_;
  std::deque<Answered> ended_;
};

}  // namespace ixc

// Threads for what takes longer than the IO thread may: reading requests, decoding pictures.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace ixc {

class WorkerPool {
 public:
  WorkerPool(int num_threads, size_t max_waiting);
  ~WorkerPool();  // Stop()

  // False when too many wait already, or after Stop(). `work` throws nothing.
  bool Run(std::function<void()> work);
  // Ends what runs and drops what waits. Called once, not by a worker.
  void Stop();

 private:
  void RunAll();

  const size_t max_waiting_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> waiting_;
  bool stopped_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace ixc

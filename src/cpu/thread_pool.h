// A fixed team of threads that runs one loop at a time. The caller is one of the team, so a pool of
// one thread starts none.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

namespace ixc {

class ThreadPool {
 public:
  // num_threads 0: one per core that this process may use.
  explicit ThreadPool(int num_threads = 0);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int num_threads() const;

  // Calls body(thread) once on every thread of the team and returns when all have returned.
  // An exception from a body is rethrown here (the first one, by thread number).
  void RunOnAll(const std::function<void(int thread)>& body);

  // Splits [0, count) into pieces of at most `grain` and calls body(begin, end) for each. A thread
  // starts with the t-th part of all, the same in every loop of that length, and takes over from
  // others when it is done. No result may depend on which thread runs a piece.
  void ParallelFor(int64_t count, int64_t grain,
                   const std::function<void(int64_t begin, int64_t end)>& body);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace ixc

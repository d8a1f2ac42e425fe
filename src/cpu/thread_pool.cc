// A worker waits for the next job by spinning a few microseconds (matrix products of one token
// follow each other that closely) and then sleeping in the kernel, so an idle pool costs nothing.
// Jobs are published by raising `generation`; the last worker to finish one wakes the caller.
#include "cpu/thread_pool.h"

#include <immintrin.h>
#include <sched.h>

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

#include "base/error.h"

namespace ixc {

namespace {

// About 20 microseconds. Longer spins were not faster alone and hurt beside other programs.
constexpr int kSpins = 1000;
constexpr int kMaxThreads = 1024;

int CoresOfThisProcess() {
  cpu_set_t cores;
  CPU_ZERO(&cores);
  if (sched_getaffinity(0, sizeof(cores), &cores) != 0) return 1;  // more than 1024 cores
  return std::max(1, CPU_COUNT(&cores));
}

// Returns when `value` is no longer `old`.
void AwaitChange(const std::atomic<uint32_t>& value, uint32_t old) {
  for (int spin = 0; spin < kSpins; ++spin) {
    if (value.load(std::memory_order_acquire) != old) return;
    _mm_pause();
  }
  value.wait(old, std::memory_order_acquire);
}

// The pool whose job this thread is running: a nested call runs inline instead of waiting for
// team mates that wait for us.
thread_local const void* running_pool = nullptr;

}  // namespace

struct ThreadPool::Impl {
  std::vector<std::thread> workers;
  std::vector<std::exception_ptr> errors;  // one a thread
  std::mutex job_mutex;                    // held by the caller during a job
  const std::function<void(int)>* body = nullptr;
  std::atomic<uint32_t> generation{0};
  std::atomic<uint32_t> unfinished{0};  // workers still in the job
  std::atomic<bool> stopping{false};

  void RunOne(int thread) {
    running_pool = this;
    try {
      (*body)(thread);
    } catch (...) {
      errors[static_cast<size_t>(thread)] = std::current_exception();
    }
    running_pool = nullptr;
  }

  void Work(int thread) {
    for (uint32_t seen = 0;; ++seen) {
      AwaitChange(generation, seen);
      if (stopping.load(std::memory_order_relaxed)) return;
      RunOne(thread);
      if (unfinished.fetch_sub(1, std::memory_order_acq_rel) == 1) unfinished.notify_one();
    }
  }

  void Publish() {
    generation.fetch_add(1, std::memory_order_release);
    generation.notify_all();
  }

  void Stop() {
    stopping.store(true, std::memory_order_relaxed);
    Publish();
    for (std::thread& worker : workers) worker.join();
  }
};

ThreadPool::ThreadPool(int num_threads) : impl_(std::make_unique<Impl>()) {
  if (num_threads < 0 || num_threads > kMaxThreads) {
    Fail("wanted 0 to {} threads, found {}; 0 means one per core", kMaxThreads, num_threads);
  }
  if (num_threads == 0) num_threads = CoresOfThisProcess();
  impl_->errors.resize(static_cast<size_t>(num_threads));
  try {
    for (int thread = 1; thread < num_threads; ++thread) {
      impl_->workers.emplace_back([impl = impl_.get(), thread] { impl->Work(thread); });
    }
  } catch (const std::system_error& error) {
    impl_->Stop();
    Fail("cannot start thread {} of {}: {}; ask for fewer threads", impl_->workers.size() + 1,
         num_threads, error.what());
  }
}

ThreadPool::~ThreadPool() { impl_->Stop(); }

int ThreadPool::num_threads() const { return static_cast<int>(impl_->errors.size()); }

void ThreadPool::RunOnAll(const std::function<void(int)>& body) {
  Impl& impl = *impl_;
  if (impl.workers.empty() || running_pool == &impl) {
    for (int thread = 0; thread < num_threads(); ++thread) body(thread);
    return;
  }
  std::lock_guard lock(impl.job_mutex);
  impl.body = &body;
  impl.unfinished.store(static_cast<uint32_t>(impl.workers.size()), std::memory_order_relaxed);
  impl.Publish();
  impl.RunOne(0);
  for (uint32_t left; (left = impl.unfinished.load(std::memory_order_acquire)) != 0;) {
    AwaitChange(impl.unfinished, left);
  }
  std::exception_ptr first;
  for (std::exception_ptr& error : impl.errors) {
    if (error && !first) first = error;
    error = nullptr;
  }
  if (first) std::rethrow_exception(first);
}

void ThreadPool::ParallelFor(int64_t count, int64_t grain,
                             const std::function<void(int64_t, int64_t)>& body) {
  if (grain < 1) grain = 1;
  if (count <= grain || impl_->workers.empty() || running_pool == impl_.get()) {
    for (int64_t begin = 0; begin < count; begin += grain) {
      body(begin, std::min(count, begin + grain));
    }
    return;
  }
  std::atomic<int64_t> next{0};
  RunOnAll([&](int) {
    for (int64_t begin; (begin = next.fetch_add(grain, std::memory_order_relaxed)) < count;) {
      try {
        body(begin, std::min(count, begin + grain));
      } catch (...) {
        next.store(count, std::memory_order_relaxed);  // nobody needs the rest
        throw;
      }
    }
  });
}

}  // namespace ixc

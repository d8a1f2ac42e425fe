// A worker waits for the next job by spinning a few microseconds (matrix products of one token
// follow each other that closely) and then sleeping in the kernel, so an idle pool costs nothing.
// Jobs are published by raising `generation`; the last worker to finish one wakes the caller.
//
// A loop gives every thread a share of its own, the t-th of equal parts, and who is done helps the
// others. So the panels of a weight matrix are packed, and thereby placed in memory, by the thread
// that will read most of them in every product to come: on a machine with several memory nodes,
// where workers keep to the cores of one node, it finds them in its own.
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
#include "cpu/memory_nodes.h"

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

// What is left of a thread's part of a loop. Each on its own cache line.
struct alignas(64) Share {
  std::atomic<int64_t> next{0};
  int64_t end = 0;

  int64_t Take(int64_t grain) { return next.fetch_add(grain, std::memory_order_relaxed); }
};

// Equal parts of [0, count), cut between pieces of `grain`.
std::vector<Share> SharesOf(int64_t count, int64_t grain, int num_threads) {
  const int64_t pieces = (count + grain - 1) / grain;
  std::vector<Share> shares(static_cast<size_t>(num_threads));
  int64_t begin = 0;
  for (int64_t thread = 0; thread < num_threads; ++thread) {
    Share& share = shares[static_cast<size_t>(thread)];
    share.next.store(begin, std::memory_order_relaxed);
    share.end = std::min(count, pieces * (thread + 1) / num_threads * grain);
    begin = share.end;
  }
  return shares;
}

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
    KeepToMemoryNode(thread);
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
  std::vector<Share> shares = SharesOf(count, grain, num_threads());
  RunOnAll([&](int thread) {
    try {
      for (size_t i = 0; i < shares.size(); ++i) {
        Share& share = shares[(static_cast<size_t>(thread) + i) % shares.size()];
        for (int64_t begin; (begin = share.Take(grain)) < share.end;) {
          body(begin, std::min(share.end, begin + grain));
        }
      }
    } catch (...) {
      for (Share& share : shares) share.next.store(share.end, std::memory_order_relaxed);
      throw;  // nobody needs the rest
    }
  });
}

}  // namespace ixc

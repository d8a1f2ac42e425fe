#include <gtest/gtest.h>
#include <sys/resource.h>

#include <atomic>
#include <chrono>
#include <map>
#include <mutex>
#include <stdexcept>
#include <thread>
#include <vector>

#include "base/error.h"
#include "cpu/memory_nodes.h"
#include "cpu/thread_pool.h"

namespace ixc {
namespace {

class ThreadPoolTest : public testing::TestWithParam<int> {};

TEST_P(ThreadPoolTest, RunOnAllCallsEveryThreadOnce) {
  ThreadPool pool(GetParam());
  ASSERT_EQ(pool.num_threads(), GetParam());
  for (int round = 0; round < 200; ++round) {
    std::vector<int> calls(static_cast<size_t>(GetParam()), 0);
    pool.RunOnAll([&](int thread) { ++calls[static_cast<size_t>(thread)]; });
    EXPECT_EQ(calls, std::vector<int>(calls.size(), 1));
  }
}

TEST_P(ThreadPoolTest, ParallelForCoversEachIndexOnce) {
  ThreadPool pool(GetParam());
  for (int64_t count : {0, 1, 7, 64, 1000}) {
    for (int64_t grain : {0, 1, 3, 64, 5000}) {
      std::vector<int> calls(static_cast<size_t>(count), 0);
      pool.ParallelFor(count, grain, [&](int64_t begin, int64_t end) {
        ASSERT_LE(end - begin, std::max<int64_t>(grain, 1));
        for (int64_t i = begin; i < end; ++i) ++calls[static_cast<size_t>(i)];
      });
      EXPECT_EQ(calls, std::vector<int>(calls.size(), 1)) << count << " by " << grain;
    }
  }
}

TEST_P(ThreadPoolTest, NestedLoopsRunInline) {
  ThreadPool pool(GetParam());
  std::atomic<int> calls{0};
  pool.ParallelFor(10, 1, [&](int64_t, int64_t) {
    pool.ParallelFor(10, 1,
                     [&](int64_t begin, int64_t end) { calls += static_cast<int>(end - begin); });
  });
  EXPECT_EQ(calls, 100);
}

TEST_P(ThreadPoolTest, ExceptionsReachTheCallerAndThePoolGoesOn) {
  ThreadPool pool(GetParam());
  EXPECT_THROW(pool.ParallelFor(100, 1,
                                [](int64_t begin, int64_t) {
                                  if (begin == 50) throw std::runtime_error("50");
                                }),
               std::runtime_error);
  try {
    pool.RunOnAll([](int thread) { throw std::runtime_error(std::to_string(thread)); });
    FAIL() << "no exception";
  } catch (const std::runtime_error& error) {
    EXPECT_STREQ(error.what(), "0");
  }
  std::atomic<int> calls{0};
  pool.RunOnAll([&](int) { ++calls; });
  EXPECT_EQ(calls, GetParam());
}

TEST_P(ThreadPoolTest, ServesSeveralCallers) {
  ThreadPool pool(GetParam());
  std::atomic<int64_t> sum{0};
  std::vector<std::thread> callers;
  for (int caller = 0; caller < 3; ++caller) {
    callers.emplace_back([&] {
      for (int round = 0; round < 50; ++round) {
        pool.ParallelFor(20, 1, [&](int64_t begin, int64_t) { sum += begin; });
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(sum, 3 * 50 * 190);
}

INSTANTIATE_TEST_SUITE_P(Sizes, ThreadPoolTest, testing::Values(1, 2, 5));

TEST(ThreadPool, IdleThreadsCostNoCpu) {
  ThreadPool pool(4);
  pool.RunOnAll([](int) {});
  std::this_thread::sleep_for(std::chrono::milliseconds(20));  // let the spinning end
  auto cpu_microseconds = [] {
    rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1'000'000L + usage.ru_utime.tv_usec +
           usage.ru_stime.tv_usec;
  };
  const long before = cpu_microseconds();
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  EXPECT_LT(cpu_microseconds() - before, 50'000);
}

// What is packed by a thread is later read by it: the parts must not depend on the run.
TEST(ThreadPool, EveryThreadStartsWithItsOwnPart) {
  ThreadPool pool(2);
  for (int round = 0; round < 20; ++round) {
    std::mutex mutex;
    std::map<std::thread::id, int64_t> first_pieces;
    std::atomic<int> arrived{0};
    pool.ParallelFor(100, 5, [&](int64_t begin, int64_t) {
      if (const std::lock_guard lock(mutex);
          !first_pieces.emplace(std::this_thread::get_id(), begin).second) {
        return;
      }
      for (++arrived; arrived.load() < 2;) std::this_thread::yield();  // nobody takes over yet
    });
    ASSERT_EQ(first_pieces.size(), 2u);
    EXPECT_EQ(first_pieces.at(std::this_thread::get_id()), 0);
    first_pieces.erase(std::this_thread::get_id());
    EXPECT_EQ(first_pieces.begin()->second, 50);
  }
}

TEST(MemoryNodes, CoreListsAreRead) {
  EXPECT_EQ(ParseCoreList("0-3,8"), (std::vector<int>{0, 1, 2, 3, 8}));
  EXPECT_EQ(ParseCoreList("5\n"), (std::vector<int>{5}));
  EXPECT_EQ(ParseCoreList(""), std::vector<int>());
  EXPECT_EQ(ParseCoreList("1,x"), (std::vector<int>{1}));
  EXPECT_EQ(ParseCoreList("3-1"), std::vector<int>());
  EXPECT_EQ(ParseCoreList("0-99999999999"), std::vector<int>());
}

TEST(ThreadPool, RefusesImpossibleCounts) {
  EXPECT_THROW(ThreadPool(-1), Error);
  EXPECT_THROW(ThreadPool(1'000'000), Error);
  EXPECT_GE(ThreadPool(0).num_threads(), 1);
}

}  // namespace
}  // namespace ixc

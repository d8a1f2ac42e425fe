#include <gtest/gtest.h>

#include "engine/scheduler.h"

namespace ixc {
namespace {

using Piece = StepPlan::Piece;
using Numbers = std::vector<uint64_t>;

const auto kAlways = [](uint64_t) { return true; };

// A scheduler whose numbers 1 … are admitted with prompts of these many rows.
Scheduler Reading(const std::vector<int64_t>& prompts, int64_t chunk_rows = 10) {
  Scheduler scheduler({.chunk_rows = chunk_rows});
  for (uint64_t number = 1; number <= prompts.size(); ++number) scheduler.Add(number);
  scheduler.Admit(kAlways);
  for (uint64_t number = 1; number <= prompts.size(); ++number) {
    scheduler.StartPrompt(number, prompts[number - 1]);
  }
  return scheduler;
}

// Does what the plan says.
StepPlan RunStep(Scheduler& scheduler) {
  const StepPlan plan = scheduler.Plan();
  if (plan.piece == Piece::kPrompt) scheduler.FinishRows(plan.number, plan.rows);
  return plan;
}

TEST(Scheduler, AdmitsInOrderAndNobodyOvertakes) {
  Scheduler scheduler({.max_running = 2});
  for (uint64_t number : {7, 8, 9}) scheduler.Add(number);
  // 8 is too large while 7 runs; 9 would fit but has to wait behind it.
  const auto only_small = [](uint64_t number) { return number != 8; };
  EXPECT_EQ(scheduler.Admit(only_small), Numbers({7}));
  EXPECT_EQ(scheduler.num_waiting(), 2);
  scheduler.Remove(7);
  EXPECT_EQ(scheduler.Admit(kAlways), Numbers({8, 9}));
}

TEST(Scheduler, KeepsTheLimits) {
  Scheduler scheduler({.max_running = 1, .max_waiting = 2});
  scheduler.Add(1);
  EXPECT_FALSE(scheduler.is_full());
  scheduler.Add(2);
  EXPECT_TRUE(scheduler.is_full());
  EXPECT_EQ(scheduler.Admit(kAlways), Numbers({1}));
  EXPECT_EQ(scheduler.Admit(kAlways), Numbers());
  EXPECT_FALSE(scheduler.is_full());
}

TEST(Scheduler, ChunksAreSmallerBesideStreams) {
  Scheduler scheduler({.chunk_rows = 10, .chunk_rows_beside_streams = 4});
  for (uint64_t number : {1, 2}) scheduler.Add(number);
  scheduler.Admit(kAlways);
  scheduler.StartPrompt(1, 10);
  EXPECT_EQ(scheduler.Plan().rows, 10) << "nobody waits for this step";
  scheduler.FinishRows(1, 10);
  scheduler.StartPrompt(2, 10);
  for (int64_t rows : {4, 4, 2}) {
    const StepPlan plan = scheduler.Plan();
    EXPECT_EQ(plan.decoding, Numbers({1}));
    EXPECT_EQ(plan.rows, rows);
    scheduler.FinishRows(2, rows);
  }
}

TEST(Scheduler, PicturesComeBeforeThePrompt) {
  Scheduler scheduler({});
  EXPECT_TRUE(scheduler.Plan().empty());
  scheduler.Add(1);
  EXPECT_TRUE(scheduler.Plan().empty()) << "nothing runs that was not admitted";
  scheduler.Admit(kAlways);
  StepPlan plan = scheduler.Plan();
  EXPECT_EQ(plan.piece, Piece::kPicture);
  EXPECT_EQ(plan.number, 1u);
  scheduler.StartPrompt(1, 5);
  plan = RunStep(scheduler);
  EXPECT_EQ(plan.piece, Piece::kPrompt);
  EXPECT_EQ(plan.rows, 5);
  EXPECT_TRUE(plan.decoding.empty());
  plan = RunStep(scheduler);
  EXPECT_EQ(plan.piece, Piece::kNone);
  EXPECT_EQ(plan.decoding, Numbers({1}));
}

TEST(Scheduler, AShortPromptIsNotStuckBehindALongOne) {
  Scheduler scheduler = Reading({1000, 10});
  RunStep(scheduler);
  RunStep(scheduler);
  EXPECT_EQ(RunStep(scheduler).decoding, Numbers({2}));
}

TEST(Scheduler, EveryStepRunsAllThatDecodeAndOneChunk) {
  Scheduler scheduler = Reading({10, 25, 10});
  int64_t rows = 0;
  for (int step = 0; step < 5; ++step) {
    const StepPlan plan = RunStep(scheduler);
    EXPECT_EQ(plan.piece, Piece::kPrompt);
    EXPECT_LE(plan.rows, 10);
    rows += plan.rows;
  }
  EXPECT_EQ(rows, 45);
  // In the order of admission, not of who was read first.
  EXPECT_EQ(RunStep(scheduler).decoding, Numbers({1, 2, 3}));
}

TEST(Scheduler, RowsThatWereFoundElsewhereAreNotRead) {
  Scheduler scheduler = Reading({100});
  scheduler.FinishRows(1, 95);
  EXPECT_EQ(RunStep(scheduler).rows, 5);
  EXPECT_EQ(RunStep(scheduler).decoding, Numbers({1}));
}

TEST(Scheduler, RemovedNumbersAreNowhere) {
  Scheduler scheduler = Reading({10, 10, 10});
  RunStep(scheduler);
  scheduler.Add(4);
  for (uint64_t number : {1, 2, 4}) scheduler.Remove(number);
  scheduler.Remove(99);
  const StepPlan plan = RunStep(scheduler);
  EXPECT_TRUE(plan.decoding.empty());
  EXPECT_EQ(plan.number, 3u);
  scheduler.Remove(3);
  EXPECT_TRUE(scheduler.is_idle());
  EXPECT_TRUE(scheduler.Plan().empty());
}

}  // namespace
}  // namespace ixc

#include "server/load_run.h"

#include <atomic>
#include <mutex>
#include <random>
#include <thread>

#include "base/clock.h"

namespace ixc {
namespace {

class Load {
 public:
  explicit Load(const LoadPlan& plan) : plan_(plan) {}

  LoadResult Run() {
    std::vector<std::thread> clients;
    for (int i = 0; i < plan_.num_clients; ++i) clients.emplace_back([this] { RunClient(); });
    for (std::thread& client : clients) client.join();
    result_.seconds = SecondsSince(begin_);
    return std::move(result_);
  }

 private:
  bool IsOver(int number) const {
    if (plan_.num_requests > 0 && number >= plan_.num_requests) return true;
    if (plan_.seconds > 0 && SecondsSince(begin_) >= plan_.seconds) return true;
    return plan_.is_cancelled && plan_.is_cancelled();
  }

  void RunClient() {
    LoadClient client(plan_.target);
    for (;;) {
      const int number = next_++;
      if (IsOver(number)) return;
      std::mt19937_64 random(plan_.seed + static_cast<uint64_t>(number));
      const bool leaves = std::bernoulli_distribution(plan_.leave_share)(random);
      const int leave_after = leaves ? 1 + static_cast<int>(random() % 10) : 0;
      const LoadSample sample = client.Ask(plan_.body(number), leave_after);
      Add(sample);
      // A server that is full, or not there, is asked again a little later.
      if (sample.status != 200) std::this_thread::sleep_for(std::chrono::milliseconds(200));
    }
  }

  void Add(const LoadSample& sample) {
    const std::lock_guard lock(mutex_);
    result_.samples.push_back(sample);
    if (plan_.on_progress) plan_.on_progress(static_cast<int>(result_.samples.size()));
  }

  const LoadPlan& plan_;
  const Clock::time_point begin_ = Clock::now();
  std::atomic<int> next_{0};
  std::mutex mutex_;
  LoadResult result_;
};

}  // namespace

LoadResult RunLoad(const LoadPlan& plan) { return Load(plan).Run(); }

}  // namespace ixc

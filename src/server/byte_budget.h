// Memory that clients may make the server hold, all of them together.
#pragma once

#include <atomic>
#include <cstdint>
#include <utility>

namespace ixc {

class ByteBudget {
 public:
  explicit ByteBudget(uint64_t bytes) : left_(static_cast<int64_t>(bytes)) {}

  // A part of the budget, at first nothing; given back when it is destroyed. The budget must
  // outlive it.
  class Share {
   public:
    Share() = default;
    Share(Share&& other) noexcept
        : budget_(std::exchange(other.budget_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}
    Share& operator=(Share&& other) noexcept {
      std::swap(budget_, other.budget_);
      std::swap(bytes_, other.bytes_);
      return *this;
    }
    ~Share() {
      if (budget_ != nullptr) budget_->left_ += static_cast<int64_t>(bytes_);
    }

    // Makes the share at least so large; false when the budget does not have as much.
    bool GrowTo(ByteBudget& budget, uint64_t bytes) {
      if (bytes <= bytes_) return true;
      const auto wanted = static_cast<int64_t>(bytes - bytes_);
      if (budget.left_.fetch_sub(wanted) < wanted) {
        budget.left_ += wanted;
        return false;
      }
      budget_ = &budget;
      bytes_ = bytes;
      return true;
    }

   private:
    ByteBudget* budget_ = nullptr;
    uint64_t bytes_ = 0;
  };

  int64_t left() const { return left_; }

 private:
  std::atomic<int64_t> left_;
};

}  // namespace ixc

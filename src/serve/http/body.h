#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>

namespace quern::serve {

/// How many bytes of bodies a server holds at once at most. Safe to use from several threads.
class BodyBudget {
 public:
  explicit BodyBudget(std::int64_t most) : most_(most), left_(most) {}

  std::int64_t held() const noexcept { return most_ - left_; }

  /// False where so many are not left.
  bool take(std::int64_t size) noexcept;
  void give_back(std::int64_t size) noexcept { left_ += size; }

 private:
  const std::int64_t most_;
  std::atomic<std::int64_t> left_;
};

/// The body of a request, whose bytes are of a budget for as long as they are held.
class Body {
 public:
  Body() = default;
  explicit Body(BodyBudget& budget) : budget_(&budget) {}
  Body(const Body&) = delete;
  Body& operator=(const Body&) = delete;
  ~Body() { clear(); }

  const std::string& text() const noexcept { return text_; }
  /// Makes room, so that `append` need not move what is there. Takes nothing of the budget.
  void reserve(std::size_t size) { text_.reserve(size); }
  /// Throws: Rejection where the budget is used up.
  void append(std::string_view bytes);
  /// Lets go of the bytes.
  void clear() noexcept;

 private:
  BodyBudget* budget_ = nullptr;  ///< null: without bounds
  std::string text_;
};

}  // namespace quern::serve

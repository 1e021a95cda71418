#pragma once

#include <memory>
#include <type_traits>
#include <utility>

#include "quern/export.h"

namespace quern {

template <class Signature>
class Function;

/// A callback that the library keeps: as std::function, whose header would be a fifth of what this
/// API costs to compile. Copies share the callable. Empty where made of nothing or of nullptr.
/// Where the result is an enum, a callable that returns nothing stands for its first value: "go on"
/// in Flow.
template <class Result, class... Args>
class Function<Result(Args...)> {
  template <class Callable>
  static consteval bool is_answer() {
    if constexpr (std::is_enum_v<Result> && std::is_invocable_v<Callable&, Args...>) {
      if (std::is_void_v<std::invoke_result_t<Callable&, Args...>>) return true;
    }
    return std::is_invocable_r_v<Result, Callable&, Args...>;
  }

 public:
  Function() = default;
  Function(std::nullptr_t) {}  // NOLINT: as std::function
  template <class Callable>
  requires(!std::is_same_v<Callable, Function> && is_answer<Callable>())
      Function(Callable callable) {  // NOLINT: as std::function
    if constexpr (requires { callable = nullptr; }) {
      if (callable == nullptr) return;
    }
    target_ = std::make_shared<Callable>(std::move(callable));
    call_ = [](void* target, Args... args) -> Result {
      Callable& called = *static_cast<Callable*>(target);
      if constexpr (std::is_enum_v<Result> &&
                    std::is_void_v<std::invoke_result_t<Callable&, Args...>>) {
        called(std::forward<Args>(args)...);
        return Result{};
      } else {
        return static_cast<Result>(called(std::forward<Args>(args)...));
      }
    };
  }

  explicit operator bool() const noexcept { return call_ != nullptr; }
  /// Must not be empty.
  Result operator()(Args... args) const {
    return call_(target_.get(), std::forward<Args>(args)...);
  }

 private:
  std::shared_ptr<void> target_;
  Result (*call_)(void* target, Args... args) = nullptr;
};

}  // namespace quern

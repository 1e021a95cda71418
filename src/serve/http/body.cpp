#include "serve/http/body.h"

#include <utility>

#include "serve/http/message.h"

namespace quern::serve {

bool BodyBudget::take(std::int64_t size) noexcept {
  if (left_.fetch_sub(size) >= size) return true;
  left_ += size;
  return false;
}

void Body::append(std::string_view bytes) {
  if (budget_ != nullptr && !budget_->take(static_cast<std::int64_t>(bytes.size()))) {
    throw Rejection(503, "the server holds as many bodies as it may: try again later");
  }
  text_ += bytes;
}

void Body::clear() noexcept {
  if (budget_ != nullptr) budget_->give_back(static_cast<std::int64_t>(text_.size()));
  std::exchange(text_, {});
}

}  // namespace quern::serve

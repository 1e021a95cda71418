#include <algorithm>
#include <chrono>
#include <utility>

#include "llm/engine_impl.h"

namespace quern::llm {

Generation::Impl::Impl(const Generator& generator, std::vector<TokenId> prompt, Request request)
    : callback(std::move(request.callback)),
      done(std::move(request.done)),
      job(std::make_shared<Job>(generator, std::move(prompt), request.options,
                                [this](const Delta& delta) { return show(delta); })) {}

Flow Generation::Impl::show(const Delta& delta) {
  const std::scoped_lock lock(calling);
  if (abandoned) return Flow::stop;
  return callback ? callback(delta) : Flow::keep_going;
}

void Generation::Impl::finish() {
  job->sequence().truncate(0);  // the caller may hold on to this for long
  {
    const std::scoped_lock lock(mutex);
    try {
      reply = job->take_reply();
    } catch (...) {
      error = std::current_exception();
    }
    ready = true;
  }
  finished.notify_all();
  const std::scoped_lock lock(calling);
  if (done && !abandoned) {
    try {
      done();
    } catch (...) {  // it has no one to go to
    }
  }
  callback = {};
  done = {};
}

void Generation::Impl::let_go() noexcept {
  job->cancelled = true;
  const std::scoped_lock lock(calling);
  abandoned = true;
}

Generation::Generation() noexcept = default;
Generation::Generation(std::shared_ptr<Impl> impl) noexcept : impl_(std::move(impl)) {}
Generation::Generation(Generation&&) noexcept = default;

Generation& Generation::operator=(Generation&& other) noexcept {
  if (this == &other) return *this;
  if (impl_) impl_->let_go();
  impl_ = std::move(other.impl_);
  return *this;
}

Generation::~Generation() {
  if (impl_) impl_->let_go();
}

void Generation::cancel() noexcept { impl_->job->cancelled = true; }

bool Generation::ready() const { return wait_for(0); }

bool Generation::wait_for(double seconds) const {
  constexpr double kLongest = 365.0 * 24 * 3600;  // what any clock can count
  const std::chrono::duration<double> time(std::clamp(seconds, 0.0, kLongest));
  std::unique_lock lock(impl_->mutex);
  return impl_->finished.wait_for(lock, time, [&] { return impl_->ready; });
}

Reply Generation::wait() const {
  std::unique_lock lock(impl_->mutex);
  impl_->finished.wait(lock, [&] { return impl_->ready; });
  if (impl_->error) std::rethrow_exception(impl_->error);
  return impl_->reply;
}

}  // namespace quern::llm

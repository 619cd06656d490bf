// SPDX-License-Identifier: Apache-2.0
// Reads of a whole host, on a thread beside the daemon's: one of them may take a fifth of a second, and nobody else
// waits for it. Not here: the thread itself (the daemon), and what is read (the handlers).
#pragma once

#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include "api/context/waiting_line.hpp"
#include "api/http/message.hpp"

namespace devbindd::api {

class Asides {
 public:
  /// Runs `work` on another thread, and then `done` on the daemon's.
  using RunAside = std::function<void(std::function<void()> work, std::function<void()> done)>;

  /// Pieces of work are done one after the other, those of callers who may change things first. What nobody waits for
  /// any more is dropped. `work` touches nothing that the daemon's thread may touch meanwhile.
  void add(const Request& request, const RunAside& run, std::function<void()> work, std::function<void()> done);

 private:
  struct Piece {
    std::function<void()> work;
    std::function<void()> done;
  };
  struct State {
    WaitingLine<Piece> line;
    bool busy = false;
  };

  static void next(const std::shared_ptr<State>& state, const RunAside& run);

  std::shared_ptr<State> state_ = std::make_shared<State>();
};

struct Context;
void add_aside(Context& context, const Request& request, std::function<void()> work, std::function<void()> done);

/// `done` gets on the daemon's thread what `work` has given on the other one; see Asides::add(). What `work` throws is
/// thrown again on the daemon's thread, as by a handler.
template <class Work, class Done>
void aside(Context& context, const Request& request, Work work, Done done) {
  struct Outcome {
    std::optional<decltype(work())> value = {};
    std::exception_ptr failure = {};
  };
  const auto outcome = std::make_shared<Outcome>();
  // What the work holds goes with it, on the other thread: to free the facts of a host takes its time too.
  const auto held = std::make_shared<std::optional<Work>>(std::move(work));
  const auto begin = [outcome, held] {
    try {
      outcome->value.emplace((**held)());
    } catch (...) {
      outcome->failure = std::current_exception();
    }
    held->reset();
  };
  add_aside(context, request, begin, [outcome, done = std::move(done)]() mutable {
    if (outcome->failure) std::rethrow_exception(outcome->failure);
    done(std::move(*outcome->value));
  });
}

}  // namespace devbindd::api

// SPDX-License-Identifier: Apache-2.0
// Work that waits for its turn: that of callers who may change things comes first, and what nobody waits for any more
// is dropped. Not here: when the next one may begin (turns.hpp, aside.hpp).
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <utility>

#include "api/http/message.hpp"

namespace devbindd::api {

template <class Work>
class WaitingLine {
 public:
  struct Waiting {
    bool comes_first = false;
    std::shared_ptr<const ClientLeft> client_left = {};  ///< null: the client is there
    Work work;
  };

  void add(const Request& request, Work work) {
    put_back({may_change(request.grant), request.client_left, std::move(work)});
  }

  /// Behind all others of its kind.
  void put_back(Waiting waiting) { (waiting.comes_first ? first_ : others_).push_back(std::move(waiting)); }

  bool empty() const { return first_.empty() && others_.empty(); }

  /// Takes the next one that somebody still waits for; nullopt when there is none.
  std::optional<Waiting> next() {
    while (!empty()) {
      auto& line = first_.empty() ? others_ : first_;
      auto waiting = std::move(line.front());
      line.pop_front();
      if (!waiting.client_left || !(*waiting.client_left)()) return waiting;
    }
    return std::nullopt;
  }

 private:
  std::deque<Waiting> first_;
  std::deque<Waiting> others_;
};

}  // namespace devbindd::api

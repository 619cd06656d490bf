// SPDX-License-Identifier: Apache-2.0
#include "api/context/answers_in_making.hpp"

#include <algorithm>
#include <utility>
#include <vector>

namespace devbindd::api {

/// One answer, as long as somebody makes it. Whoever still waits when it goes is answered by his own Respond.
struct AnswersInMaking::Making {
  struct Waiting {
    std::shared_ptr<const ClientLeft> client_left;  ///< null: the client is there
    Respond respond;
    std::function<void()> ask_again;
  };
  Version version;
  std::vector<Waiting> waiting = {};

  bool all_left() const {
    return std::ranges::all_of(waiting, [](const Waiting& one) { return one.client_left && (*one.client_left)(); });
  }

  void give(const Response& response) {
    const auto all = std::exchange(waiting, {});
    if (all.empty()) return;
    all.front().respond(response);
    for (auto one = all.begin() + 1; one != all.end(); ++one) {
      if (response.status == 200) {
        one->respond(response);
      } else {
        one->ask_again();
      }
    }
  }
};

std::optional<AnswersInMaking::Maker> AnswersInMaking::wait(const std::string& asked, const Version& version,
                                                            const Request& request, Respond respond,
                                                            std::function<void()> ask_again) {
  std::erase_if(makings_, [](const auto& entry) { return entry.second.expired(); });
  auto& known = makings_[{may_change(request.grant), asked}];
  Making::Waiting waiting{request.client_left, std::move(respond), std::move(ask_again)};
  if (const auto making = known.lock(); making && making->version == version && !making->waiting.empty()) {
    making->waiting.push_back(std::move(waiting));
    return std::nullopt;
  }
  const auto making = std::make_shared<Making>(Making{.version = version});
  making->waiting.push_back(std::move(waiting));
  known = making;
  Maker maker{.request = request, .respond = [making](Response response) { making->give(response); }};
  maker.request.client_left = std::make_shared<const ClientLeft>([weak = std::weak_ptr(making)] {
    const auto made = weak.lock();
    return !made || made->all_left();
  });
  return maker;
}

}  // namespace devbindd::api

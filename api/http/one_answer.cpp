// SPDX-License-Identifier: Apache-2.0
#include "api/http/one_answer.hpp"

#include <memory>
#include <utility>

namespace devbindd::api {
namespace {

class OneAnswer {
 public:
  OneAnswer(Respond give, std::function<void()> unanswered)
      : give_(std::move(give)), unanswered_(std::move(unanswered)) {}
  OneAnswer(const OneAnswer&) = delete;
  OneAnswer& operator=(const OneAnswer&) = delete;
  ~OneAnswer() {
    if (!given_) unanswered_();
  }
  void give(Response response) {
    if (!std::exchange(given_, true)) give_(std::move(response));
  }

 private:
  Respond give_;
  std::function<void()> unanswered_;
  bool given_ = false;
};

}  // namespace

Respond one_answer(Respond give, std::function<void()> unanswered) {
  return [answer = std::make_shared<OneAnswer>(std::move(give), std::move(unanswered))](Response response) {
    answer->give(std::move(response));
  };
}

}  // namespace devbindd::api

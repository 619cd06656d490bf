// SPDX-License-Identifier: Apache-2.0
// Requests and answers on one connection that is kept.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "clients/http/message.hpp"
#include "clients/http/unix_stream.hpp"

namespace devbindd::clients {

class Exchange {
 public:
  explicit Exchange(std::string socket_path) : path_(std::move(socket_path)) {}

  /// One request and its answer, of whatever status. Connects when it must. A GET on a connection that the daemon has
  /// closed meanwhile is sent again on a new one.
  Result<Answer> ask(const Request& request, std::chrono::milliseconds patience);

  /// Takes part of an answer's body; false ends the exchange.
  using Take = std::function<bool(std::string_view)>;

  /// As ask, but with a body of status 200 given away as it comes; that of the answer is then empty.
  Result<Answer> follow(const Request& request, std::chrono::milliseconds patience, const Take& take);

 private:
  Result<Answer> once(const Request& request, std::chrono::milliseconds patience, const Take& take);
  Result<Answer> read_answer(std::chrono::milliseconds patience, const Take& take);

  std::string path_;
  std::optional<UnixStream> stream_;
  std::string unread_;
  bool closed_early_ = false;  ///< the last request was not answered, not even in part
};

}  // namespace devbindd::clients

// SPDX-License-Identifier: Apache-2.0
// Requests and responses as the handlers see them, without any type of the HTTP library.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "api/access/access_rules.hpp"
#include "handoff/model/request.hpp"
#include "sysfs/kernel/file_descriptor.hpp"

namespace devbindd::api {

/// The body of a request, as long as its handler reads it. What is copied out of a request for a later answer has none:
/// an answer may be waited for for minutes, by many.
class Body {
 public:
  Body() = default;
  explicit Body(std::string text) : text_(std::move(text)) {}
  Body(const Body&) {}
  Body(Body&& other) noexcept : text_(std::exchange(other.text_, {})) {}
  // Also of an empty one: a string that is assigned to keeps its room.
  Body& operator=(Body other) noexcept {
    text_.swap(other.text_);
    return *this;
  }
  ~Body() = default;
  operator std::string_view() const { return text_; }  // NOLINT: it is read as a text

 private:
  std::string text_;
};

/// Whether the client has closed its connection, or is otherwise gone. Over TCP one that only shuts down its side
/// cannot be told from one that has left, and counts as such.
using ClientLeft = std::function<bool()>;

struct Request {
  std::string id;  ///< UUID of this request, for logs and problems
  std::string method;
  std::vector<std::string> path;  ///< decoded segments
  std::vector<std::pair<std::string, std::string>> query;
  std::string accept;  ///< the Accept headers as one list, "" when absent
  std::string content_type;
  std::string prefer;              ///< the Prefer headers as one list
  std::string idempotency_key;     ///< the Idempotency-Key header
  std::string last_event_id = {};  ///< the Last-Event-ID header
  std::string if_none_match = {};  ///< the If-None-Match headers as one list
  std::string if_match = {};       ///< the If-Match headers as one list
  /// Engine::change_mark() of the device when If-Match was looked at; nullopt without it.
  std::optional<std::uint64_t> unless_changed_since = {};
  Body body;
  handoff::Requester requester;
  Grant grant = {};                                    ///< what this caller has
  Entrance entrance = Entrance::Unix;                  ///< where he came in
  std::vector<unsigned> groups = {};                   ///< of a Unix caller: all that the kernel counts him in
  std::shared_ptr<const ClientLeft> client_left = {};  ///< null: it is there
};

/// What follows the head of an answer piece by piece, for as long as the client stays. On the daemon's thread.
class AnswerStream {
 public:
  AnswerStream() = default;
  AnswerStream(const AnswerStream&) = delete;
  AnswerStream& operator=(const AnswerStream&) = delete;
  virtual ~AnswerStream() = default;
  /// What is to be sent now, and is then sent; "" when nothing is. Called again when that has left: who reads slowly is
  /// asked seldom, and nothing is kept for him.
  virtual std::string next() = 0;
  /// `ready` is called once when next() has something; never from inside this call.
  virtual void when_ready(std::function<void()> ready) = 0;
};

struct Response {
  int status = 200;
  std::string content_type = "application/json";
  std::string body;
  std::vector<std::pair<std::string, std::string>> headers;
  /// Instead of `body`, where several answers share one; a text has only characters that may go to a terminal.
  std::shared_ptr<const std::string> shared_body = {};
  /// What goes along with it over a Unix socket (SCM_RIGHTS); closed here when the answer is on its way.
  std::shared_ptr<std::vector<sysfs::FileDescriptor>> descriptors = {};
  /// The pattern of the route that gave it, "" for none; lasts for ever.
  std::string_view route = {};
  /// Instead of `body`; the connection ends with it.
  std::shared_ptr<AnswerStream> stream = {};
};

/// An answer that says this document.
Response json_response(const nlohmann::json& document, int status = 200);

/// Called exactly once by a handler, now or later, on the daemon's thread.
using Respond = std::function<void(Response)>;

/// The values of the path's parameters, in order.
using PathArguments = std::vector<std::string>;

}  // namespace devbindd::api

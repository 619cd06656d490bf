// SPDX-License-Identifier: Apache-2.0
// Reads one request after the other off a connection: the head, which the guard checks, and the body, which Beast
// reads. With Beast: part of the translation unit session.cpp. Not here: answers, also those to what is refused here.
#pragma once

#include <boost/asio/write.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "api/http/browser_guard.hpp"
#include "api/http/http_guard.hpp"
#include "api/http/request_phase.hpp"
#include "api/http/server_settings.hpp"
#include "api/http/timed_stream.hpp"

namespace devbindd::api {

/// A request that has come, or as much of one as there is and why it is refused.
struct ReadRequest {
  std::chrono::steady_clock::time_point started;  ///< when its head was there
  RequestHead head;
  std::string body;
  std::optional<GuardRefusal> refusal;
};

/// For session.cpp alone.
class RequestReading {
 public:
  using Alive = std::shared_ptr<const void>;  ///< keeps whoever owns this for as long as something is under way
  /// Called once for each next(); nullopt where the connection is to be closed.
  using Done = std::function<void(std::optional<ReadRequest>)>;

  RequestReading(TimedStream& stream, const Limits& limits, Entrance entrance, Done done)
      : stream_(stream), limits_(limits), entrance_(entrance), done_(std::move(done)) {}

  /// Reads the next request. `lasts`: something lasts as long as the connection is open.
  void next(const Alive& alive, bool lasts) {
    if (const auto size = header_block_size(buffered())) return on_head(alive, *size);
    if (buffer_.size() > max_header_bytes) {
      begin();
      return refuse({431, "header_too_large", "The request's head is longer than 16384 bytes."});
    }
    limit_head(phase_.read_head(buffer_.size() > 0, lasts));
    stream_.bytes.async_read_some(
        buffer_.prepare(chunk),
        [this, alive](boost::system::error_code error, std::size_t count) { on_head_bytes(alive, error, count); });
  }

  /// Reads on what nobody wants, until the peer ends or has sent too much of it.
  void discard(const Alive& alive, std::function<void()> done, std::size_t discarded = 0) {
    buffer_.clear();
    stream_.bytes.async_read_some(
        buffer_.prepare(chunk),
        [this, alive, done = std::move(done), discarded](boost::system::error_code error, std::size_t count) mutable {
          if (error || discarded + count > 4 * max_body_bytes) return done();
          discard(alive, std::move(done), discarded + count);
        });
  }

  RequestPhase& phase() { return phase_; }
  const RequestPhase& phase() const { return phase_; }

 private:
  static constexpr std::size_t chunk = 8192;

  std::string_view buffered() const { return {static_cast<const char*>(buffer_.cdata().data()), buffer_.size()}; }

  void begin() {
    request_ = {};
    request_.started = std::chrono::steady_clock::now();
  }

  void limit_head(HeadTime time) {
    switch (time) {
      case HeadTime::Running: return;
      case HeadTime::Header: return stream_.limit(limits_.header_time);
      case HeadTime::Idle: return stream_.limit(limits_.idle_time);
      case HeadTime::Unlimited: return stream_.end_limit();
    }
  }

  void on_head_bytes(const Alive& alive, boost::system::error_code error, std::size_t count) {
    if (!error) buffer_.commit(count);
    const bool late = stream_.deadline.late();
    if (late && buffer_.size() > 0) {
      begin();
      return refuse({408, "request_timeout", "The request's head did not arrive in time."});
    }
    if (error || late) return done_(std::nullopt);
    next(alive, false);
  }

  void on_head(const Alive& alive, std::size_t size) {
    phase_.take_head();
    begin();
    auto head = guard(buffered().substr(0, size));
    if (!head) {
      if (buffered().starts_with("HEAD ")) request_.head.method = "HEAD";  // its refusal has no body either
      return refuse(std::move(head.error()));
    }
    request_.head = std::move(*head);
    if (is_by_network(entrance_)) {
      if (auto refusal = browser_refusal(request_.head, entrance_)) return refuse(std::move(*refusal));
    }
    parser_.emplace();
    parser_->body_limit(max_body_bytes);
    parser_->header_limit(static_cast<std::uint32_t>(max_header_bytes));
    stream_.limit(limits_.body_time);
    if (request_.head.expect_continue && buffer_.size() < size + request_.head.content_length)
      return send_continue(alive);
    read_body(alive);
  }

  void send_continue(const Alive& alive) {
    static constexpr std::string_view go_on = "HTTP/1.1 100 Continue\r\n\r\n";
    boost::asio::async_write(stream_.bytes, boost::asio::buffer(go_on),
                             [this, alive](boost::system::error_code error, std::size_t) {
                               if (error) return done_(std::nullopt);
                               read_body(alive);
                             });
  }

  void read_body(const Alive& alive) {
    boost::beast::http::async_read(stream_.bytes, buffer_, *parser_,
                                   [this, alive](boost::system::error_code error, std::size_t) { on_body(error); });
  }

  void on_body(boost::system::error_code error) {
    if (error && stream_.deadline.late())
      return refuse({408, "request_timeout", "The request's body did not arrive in time."});
    if (error == boost::beast::http::error::end_of_stream || error == boost::beast::http::error::partial_message)
      return done_(std::nullopt);
    if (error &&
        error.category() == boost::beast::http::make_error_code(boost::beast::http::error::bad_method).category())
      return refuse({400, "malformed_request", "The request is not well-formed: " + error.message()});
    if (error) return done_(std::nullopt);
    request_.body = std::move(parser_->get().body());
    parser_.reset();
    if (buffer_.size() == 0) buffer_.shrink_to_fit();
    done_(std::exchange(request_, {}));
  }

  // What the guard refuses ends the connection: nobody can say where the next request begins.
  void refuse(GuardRefusal refusal) {
    request_.refusal = std::move(refusal);
    done_(std::exchange(request_, {}));
  }

  TimedStream& stream_;
  const Limits& limits_;
  Entrance entrance_;
  Done done_;
  RequestPhase phase_{std::chrono::steady_clock::now()};
  boost::beast::flat_buffer buffer_{max_header_bytes + max_body_bytes + 2 * chunk};
  std::optional<boost::beast::http::request_parser<boost::beast::http::string_body>> parser_;
  ReadRequest request_;
};

}  // namespace devbindd::api

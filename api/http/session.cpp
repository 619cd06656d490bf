// SPDX-License-Identifier: Apache-2.0
#include "api/http/session.hpp"

#include <boost/asio/post.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/uuid/random_generator.hpp>
#include <boost/uuid/uuid_io.hpp>
#include <chrono>
#include <ctime>
#include <optional>
#include <sstream>
#include <utility>

#include "api/http/answer_fields.hpp"
#include "api/http/one_answer.hpp"
#include "api/http/plain_text.hpp"
#include "api/http/problem.hpp"
#include "api/http/query.hpp"
#include "api/http/request_reading.hpp"
#include "api/http/timed_stream.hpp"
#include "api/http/trace_context.hpp"

namespace devbindd::api {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using boost::system::error_code;
using Clock = std::chrono::steady_clock;

using Message = http::response<http::span_body<const char>>;

/// The bytes of an answer's body, which many answers may share.
std::shared_ptr<const std::string> body_of(Response& answer) {
  if (answer.shared_body) return answer.shared_body;
  if (answer.content_type.starts_with("text/")) answer.body = several_lines(answer.body);
  return std::make_shared<const std::string>(std::move(answer.body));
}

/// `body` must outlive the message.
Message message_of(const Response& answer, const std::string& body, const RequestHead& asked,
                   const std::string& request_id, bool stays) {
  Message message;
  message.version(asked.http_1_0 ? 10 : 11);
  message.result(static_cast<unsigned>(answer.status));
  for (const auto& [name, value] : answer_fields(answer, request_id, std::time(nullptr))) message.set(name, value);
  message.keep_alive(stays);
  if (answer.status != 304) message.content_length(body.size());
  if (asked.method != "HEAD") message.body() = {body.data(), body.size()};
  return message;
}

// Every member runs on the daemon's thread.
class Session final : public OpenConnection, public std::enable_shared_from_this<Session> {
 public:
  Session(std::shared_ptr<Serving> serving, StreamSocket socket, Caller caller)
      : serving_(std::move(serving)),
        stream_(serving_->io, std::move(socket)),
        reading_(stream_, serving_->settings.limits, caller.identity.entrance,
                 [this](auto request) { on_read(std::move(request)); }),
        caller_(std::move(caller)),
        tcp_(is_by_network(caller_.identity.entrance)) {
    caller_.requester.connection = connection_;
    connection_->has_left = [this] { return stream_.peer_has_left(tcp_); };
  }
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;
  ~Session() {
    leave();
    connection_->has_left = {};  // a claim may know the connection for longer
  }

  void start() {
    serving_->sessions.add(*this);
    client_left_ = std::make_shared<const ClientLeft>([weak = weak_from_this()] {
      const auto session = weak.lock();
      return !session || session->stream_.peer_has_left(session->tcp_);
    });
    read_next();
  }

  /// Says only that there is no room.
  void start_refused(const std::string& why) {
    serving_->sessions.add_refused(*this);
    on_read(ReadRequest{
        .started = Clock::now(), .head = {}, .body = {}, .refusal = GuardRefusal{503, "too_many_connections", why}});
  }

  Connected connected() const override {
    return {.tcp = tcp_,
            .trusted = is_trusted(caller_),
            .uid = caller_.requester.uid,
            .address = caller_.address,
            .idle_since = connection_->on_close.empty() ? reading_.phase().idle_since() : std::nullopt};
  }

  void make_room() override { close(); }

  void close_if_idle() override {
    if (following_) return close();
    if (reading_.phase().idle()) stream_.bytes.cancel();
  }

 private:
  void read_next() { reading_.next(shared_from_this(), !connection_->on_close.empty()); }

  void on_read(std::optional<ReadRequest> read) {
    if (!read) return close();
    started_ = read->started;
    head_ = std::move(read->head);
    begin_request();
    if (const auto& refusal = read->refusal)
      return send(problem(request_, refusal->status, refusal->code, refusal->detail), false);
    auto target = parse_target(head_.target);
    if (!target)
      return send(problem(request_, 400, "malformed_target", "The request target is not well-formed."), false);
    request_.path = std::move(target->path);
    request_.query = std::move(target->query);
    request_.body = Body(std::move(read->body));
    stream_.end_limit();  // the handler has its own patience
    handle();
  }

  void begin_request() {
    request_ = {};
    static boost::uuids::random_generator_mt19937 generator;  // it names requests, and keeps no secret
    request_.id = boost::uuids::to_string(generator());
    if (std::exchange(access_version_, serving_->access_version) != serving_->access_version)
      caller_ = regranted(std::move(caller_), serving_->settings.access);
    asking_ = caller_;
    if (const auto authorization = head_.field("authorization"))
      asking_ = authorized(caller_, *authorization, serving_->settings.access);
    request_.requester = asking_.requester;
    request_.requester.traceparent = traceparent_of(head_.list("traceparent"));
    request_.grant = asking_.grant;
    request_.entrance = asking_.identity.entrance;
    request_.groups = asking_.identity.groups;
    request_.client_left = client_left_;
    request_.method = head_.method;
    request_.accept = head_.list("accept");
    request_.content_type = head_.field("content-type").value_or("");
    request_.prefer = head_.list("prefer");
    request_.idempotency_key = head_.field("idempotency-key").value_or("");
    request_.last_event_id = head_.field("last-event-id").value_or("");
    request_.if_none_match = head_.list("if-none-match");
    request_.if_match = head_.list("if-match");
  }

  // An answer that nobody gives any more is this server's own.
  void handle() {
    serving_->settings.handle(
        request_, one_answer([self = shared_from_this()](
                                 Response response) { self->send(std::move(response), self->head_.keep_alive); },
                             [self = shared_from_this()] {
                               if (self->serving_->stopping) return;
                               asio::post(self->serving_->io, [self] { self->end_without_answer(); });
                             }));
    request_.body = {};
  }

  /// Nobody asks the kernel before every answer: what has been given up as its client had left is not answered.
  void end_without_answer() {
    if (stream_.peer_has_left(tcp_)) return close();
    send(problem(request_, 500, "internal_error", "devbindd failed while it answered; its log says at what."),
         head_.keep_alive);
  }

  void send(Response answer, bool keep_alive) {
    if (std::exchange(answered_, true)) return;
    log(answer);
    if (answer.stream && head_.method != "HEAD") return begin_stream(std::move(answer));
    const bool stays = keep_alive && !serving_->stopping && !answer.stream;
    const auto descriptors = std::move(answer.descriptors);
    body_ = body_of(answer);
    message_.emplace(message_of(answer, *body_, head_, request_.id, stays));
    stream_.limit_to_write(serving_->settings.limits.write_time);
    if (descriptors) return send_along(descriptors, stays);
    serializer_.emplace(*message_);
    auto sent = beast::bind_front_handler(&Session::on_sent, shared_from_this(), stays);
    if (head_.method == "HEAD") {
      http::async_write_header(stream_.bytes, *serializer_, std::move(sent));
    } else {
      http::async_write(stream_.bytes, *serializer_, std::move(sent));
    }
  }

  // The pieces follow the head as chunks (RFC 9112, 7.1), to HTTP/1.0 as they are; the end is that of the connection.
  void begin_stream(Response answer) {
    following_ = std::move(answer.stream);
    http::response<http::empty_body> head;
    head.version(head_.http_1_0 ? 10 : 11);
    head.result(static_cast<unsigned>(answer.status));
    for (const auto& [name, value] : answer_fields(answer, request_.id, std::time(nullptr))) head.set(name, value);
    head.keep_alive(false);
    head.chunked(!head_.http_1_0);
    std::ostringstream text;
    text << head.base();
    stream_.end_limit();
    watch_for_end();
    write_piece(std::move(text).str());
  }

  // A client that follows has nothing to say: what comes is dropped, and its end is the end.
  void watch_for_end() {
    reading_.discard(shared_from_this(), [self = shared_from_this()] { self->close(); });
  }

  void write_piece(std::string piece) {
    outgoing_ = std::move(piece);
    stream_.limit_to_write(serving_->settings.limits.write_time);
    asio::async_write(stream_.bytes, asio::buffer(outgoing_),
                      [self = shared_from_this()](error_code error, std::size_t) {
                        if (error) return self->close();
                        self->stream_.end_limit();
                        self->write_next_piece();
                      });
  }

  void write_next_piece() {
    if (!following_) return;
    auto piece = following_->next();
    if (piece.empty())
      return following_->when_ready([weak = weak_from_this()] {
        if (const auto self = weak.lock()) self->write_next_piece();
      });
    if (head_.http_1_0) return write_piece(std::move(piece));
    std::ostringstream chunk;
    chunk << std::hex << piece.size() << "\r\n" << piece << "\r\n";
    write_piece(std::move(chunk).str());
  }

  // The descriptors go with the answer's first byte, and are closed here as soon as that has left.
  void send_along(const Descriptors& descriptors, bool stays) {
    std::ostringstream text;
    text << *message_;
    outgoing_ = std::move(text).str();
    stream_.limit(serving_->settings.limits.write_time);  // for a wait that the stream does not know of
    send_first_bytes(stream_.bytes.socket(), outgoing_, descriptors,
                     [self = shared_from_this(), stays](std::optional<std::size_t> sent) {
                       if (!sent) return self->close();
                       self->stream_.limit_to_write(self->serving_->settings.limits.write_time);
                       asio::async_write(self->stream_.bytes, asio::buffer(self->outgoing_) + *sent,
                                         beast::bind_front_handler(&Session::on_sent, self, stays));
                     });
  }

  void log(const Response& answer) const {
    const auto duration = Clock::now() - started_;
    serving_->settings.log({.request_id = request_.id,
                            .caller = asking_.text,
                            .method = head_.method.empty() ? "-" : head_.method,
                            .target = head_.target.empty() ? "-" : head_.target,
                            .route = answer.route,
                            .status = answer.status,
                            .traceparent = request_.requester.traceparent,
                            .duration = std::chrono::duration_cast<std::chrono::microseconds>(duration)});
  }

  void on_sent(bool stays, error_code error, std::size_t) {
    answered_ = false;
    serializer_.reset();
    message_.reset();
    body_.reset();  // who stays connected keeps no answer
    if (error) return close();
    if (!stays) return linger();
    head_ = {};
    reading_.phase().end_request(Clock::now());
    read_next();
  }

  // Closing with unread bytes makes the kernel reset the connection, and the client lose the answer.
  void linger() {
    error_code ignored;
    stream_.bytes.socket().shutdown(StreamSocket::shutdown_send, ignored);
    stream_.limit_to_write(std::chrono::seconds(1));
    reading_.discard(shared_from_this(), [this] { close(); });
  }

  void close() {
    following_.reset();
    stream_.close();
    leave();
  }

  // The connection's end is not the session's own: a task that hangs in the kernel may keep that for long.
  void leave() {
    serving_->sessions.remove(*this);
    if (serving_->stopping) return;  // it is not the client who leaves
    for (auto& [claim, closed] : std::exchange(connection_->on_close, {}))
      asio::post(serving_->io, [connection = connection_, closed = std::move(closed)] { closed(); });
  }

  std::shared_ptr<Serving> serving_;
  TimedStream stream_;
  RequestReading reading_;
  Caller caller_;
  Caller asking_ = caller_;  ///< with what the request has to say of him
  bool tcp_;                 ///< or TLS
  unsigned access_version_ = serving_->access_version;
  std::shared_ptr<handoff::Connection> connection_ = std::make_shared<handoff::Connection>();
  std::shared_ptr<const ClientLeft> client_left_;
  bool answered_ = false;
  Clock::time_point started_;
  RequestHead head_;
  Request request_;
  std::string outgoing_;  ///< an answer with descriptors, or a piece of a stream
  std::shared_ptr<AnswerStream> following_;
  std::shared_ptr<const std::string> body_;
  std::optional<Message> message_;
  std::optional<http::response_serializer<http::span_body<const char>>> serializer_;
};

}  // namespace

void serve(std::shared_ptr<Serving> serving, StreamSocket socket, Caller caller) {
  std::make_shared<Session>(std::move(serving), std::move(socket), std::move(caller))->start();
}

void turn_away(std::shared_ptr<Serving> serving, StreamSocket socket, Caller caller, const std::string& why) {
  std::make_shared<Session>(std::move(serving), std::move(socket), std::move(caller))->start_refused(why);
}

}  // namespace devbindd::api

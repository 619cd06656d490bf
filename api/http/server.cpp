// SPDX-License-Identifier: Apache-2.0
#include "api/http/server.hpp"

#include <poll.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/uuid/random_generator.hpp>
#include <boost/uuid/uuid_io.hpp>
#include <ctime>
#include <exception>
#include <sstream>

#include "api/http/browser_guard.hpp"
#include "api/http/caller.hpp"
#include "api/http/http_guard.hpp"
#include "api/http/plain_text.hpp"
#include "api/http/problem.hpp"
#include "api/http/query.hpp"
#include "sysfs/kernel/descriptor_passing.hpp"
#include "sysfs/kernel/file_descriptor.hpp"

namespace devbindd::api {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using boost::system::error_code;
using Generic = asio::generic::stream_protocol;
using Clock = std::chrono::steady_clock;

constexpr std::size_t chunk = 8192;
// Connections that wait to be accepted, which takes 0.03 ms each: whoever comes last waits for all of them, and anybody
// on the host can fill the queue. Beyond it connect(2) waits, or says EAGAIN.
constexpr int queued_connections = 256;

std::string http_date() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  ::gmtime_r(&now, &parts);
  std::array<char, 64> text{};
  const auto length = std::strftime(text.data(), text.size(), "%a, %d %b %Y %H:%M:%S GMT", &parts);
  return {text.data(), length};
}

sysfs::Error system_error(std::string what, int errno_value, std::string path) {
  return {sysfs::ErrorCode::Kernel, std::move(what) + ": " + sysfs::errno_text(errno_value), errno_value,
          std::move(path)};
}

}  // namespace

// Root and whoever else may change things, known by the kernel: everybody on the host may be a TCP caller.
bool is_trusted(const Caller& caller) {
  return caller.access == Access::Change && caller.requester.transport == "unix";
}

class Session;

struct Server::Impl : std::enable_shared_from_this<Server::Impl> {
  Impl(asio::io_context& context, Settings chosen) : io(context), settings(std::move(chosen)), retry(context) {}

  asio::io_context& io;
  Settings settings;
  std::optional<asio::local::stream_protocol::acceptor> unix_acceptor;
  std::optional<asio::local::stream_protocol::acceptor> claims_acceptor;
  std::optional<asio::ip::tcp::acceptor> tcp_acceptor;
  asio::steady_timer retry;
  std::vector<std::string> paths;  ///< of the sockets that were made here
  std::set<Session*> sessions;
  std::size_t refused = 0;  ///< of the sessions: those that are only told that there is no room
  bool stopping = false;

  void accept_unix();
  void accept_claims();
  void accept_tcp();
  /// `others`: what a Unix caller may do who may not change things.
  template <class Acceptor>
  void accept(Acceptor& acceptor, void (Impl::*again)(), Access others);
  void welcome(Generic::socket socket, Caller caller, bool tcp);
  void turn_away(Generic::socket socket, Caller caller, bool tcp, const std::string& why);
};

// One connection: head, body, handler, answer, and again. Every member runs on the daemon's thread.
class Session : public std::enable_shared_from_this<Session> {
 public:
  Session(std::shared_ptr<Server::Impl> server, Generic::socket socket, Caller caller, bool tcp)
      : server_(std::move(server)),
        stream_(std::move(socket)),
        deadline_(server_->io),
        caller_(std::move(caller)),
        tcp_(tcp) {
    server_->sessions.insert(this);
    caller_.requester.connection = connection_;
    connection_->has_left = [this] { return has_left(); };
  }
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;
  ~Session() {
    leave();
    connection_->has_left = {};  // a claim may know the connection for longer
  }

  void start() {
    client_left_ = std::make_shared<const ClientLeft>([weak = weak_from_this()] {
      const auto session = weak.lock();
      return !session || session->client_left();
    });
    read_head();
  }

  /// Says only that there is no room.
  void start_refused(const std::string& why) {
    refused_ = true;
    ++server_->refused;
    begin_request();
    refuse({503, "too_many_connections", why});
  }

  void close_if_idle() {
    if (idle_) stream_.cancel();
  }

  /// Another one comes in for it.
  void make_room() { close(); }

  bool is_refused() const { return refused_; }

  Connected connected() const {
    return {.tcp = tcp_,
            .trusted = is_trusted(caller_),
            .uid = caller_.requester.uid,
            .idle_since = awaits_head_ && connection_->on_close.empty() ? std::optional(idle_since_) : std::nullopt};
  }

 private:
  // A Unix socket tells a peer that is gone from one that has only said all that it has to say; TCP does not, and there
  // who has sent the end of the stream counts as gone. Source: unix_poll() in net/unix/af_unix.c, tcp_poll() in
  // net/ipv4/tcp.c.
  bool has_left() {
    if (!stream_.socket().is_open()) return true;
    const auto end = static_cast<short>(tcp_ ? POLLRDHUP : 0);
    pollfd peer{.fd = stream_.socket().native_handle(), .events = end, .revents = 0};
    return ::poll(&peer, 1, 0) > 0 && (peer.revents & (POLLHUP | POLLERR | end)) != 0;
  }

  void begin_request() {
    started_ = Clock::now();
    request_ = {};
    request_.id = boost::uuids::to_string(boost::uuids::random_generator()());
    request_.requester = caller_.requester;
    request_.access = caller_.access;
    request_.groups = caller_.groups;
    request_.client_left = client_left_;
    head_ = {};
  }

  std::string_view buffered() const { return {static_cast<const char*>(buffer_.cdata().data()), buffer_.size()}; }

  void read_head() {
    const auto size = header_block_size(buffered());
    if (size) return on_head(*size);
    if (buffer_.size() > max_header_bytes) {
      begin_request();
      return refuse({431, "header_too_large", "The request's head is longer than 16384 bytes."});
    }
    // The clock for a head starts with its first byte, and does not start anew with each further one.
    if (buffer_.size() == 0 && !connection_->on_close.empty()) {
      idle_ = true;
      end_reading();  // it may be silent: something lasts as long as it is open
    } else if (buffer_.size() == 0) {
      idle_ = true;
      limit_reading(first_ ? server_->settings.limits.header_time : server_->settings.limits.idle_time);
    } else if (idle_) {
      idle_ = false;
      limit_reading(server_->settings.limits.header_time);
    }
    stream_.async_read_some(buffer_.prepare(chunk),
                            beast::bind_front_handler(&Session::on_head_bytes, shared_from_this()));
  }

  // The stream's own clock closes the socket when it strikes, and no 408 could be sent any more: it is only the
  // backstop.
  void limit_reading(std::chrono::milliseconds time) {
    late_ = false;
    stream_.expires_after(time + std::chrono::seconds(1));
    deadline_.expires_after(time);
    deadline_.async_wait([weak = weak_from_this()](error_code error) {
      const auto self = weak.lock();
      if (error || !self || self->deadline_.expiry() > Clock::now()) return;
      self->late_ = true;
      self->stream_.cancel();
    });
  }

  void end_reading() {
    late_ = false;
    deadline_.expires_at(Clock::time_point::max());
    stream_.expires_never();
  }

  void on_head_bytes(error_code error, std::size_t count) {
    if (!error) buffer_.commit(count);
    if (late_ && buffer_.size() > 0) {
      begin_request();
      return refuse({408, "request_timeout", "The request's head did not arrive in time."});
    }
    if (error || late_) return close();
    read_head();
  }

  void on_head(std::size_t size) {
    awaits_head_ = false;
    idle_ = false;
    first_ = false;
    begin_request();
    auto head = guard(buffered().substr(0, size));
    if (!head) {
      if (buffered().starts_with("HEAD ")) head_.method = "HEAD";  // its refusal has no body either
      return refuse(head.error());
    }
    head_ = std::move(*head);
    if (tcp_) {
      if (const auto refusal = browser_refusal(head_)) return refuse(*refusal);
    }
    parser_.emplace();
    parser_->body_limit(max_body_bytes);
    parser_->header_limit(static_cast<std::uint32_t>(max_header_bytes));
    limit_reading(server_->settings.limits.body_time);
    if (head_.expect_continue && buffer_.size() < size + head_.content_length) return send_continue();
    read_body();
  }

  void send_continue() {
    static constexpr std::string_view go_on = "HTTP/1.1 100 Continue\r\n\r\n";
    asio::async_write(stream_, asio::buffer(go_on), [self = shared_from_this()](error_code error, std::size_t) {
      if (error) return self->close();
      self->read_body();
    });
  }

  void read_body() {
    http::async_read(stream_, buffer_, *parser_, beast::bind_front_handler(&Session::on_body, shared_from_this()));
  }

  void on_body(error_code error, std::size_t) {
    if (error && late_) return refuse({408, "request_timeout", "The request's body did not arrive in time."});
    if (error == http::error::end_of_stream || error == http::error::partial_message) return close();
    if (error && error.category() == http::make_error_code(http::error::bad_method).category()) {
      return refuse({400, "malformed_request", "The request is not well-formed: " + error.message()});
    }
    if (error) return close();
    fill_request();
  }

  void fill_request() {
    auto target = parse_target(head_.target);
    if (!target) return refuse({400, "malformed_target", "The request target is not well-formed."});
    request_.method = head_.method;
    request_.path = std::move(target->path);
    request_.query = std::move(target->query);
    request_.accept = head_.list("accept");
    request_.content_type = head_.field("content-type").value_or("");
    request_.prefer = head_.list("prefer");
    request_.idempotency_key = head_.field("idempotency-key").value_or("");
    request_.body = Body(std::move(parser_->get().body()));
    parser_.reset();
    if (buffer_.size() == 0) buffer_.shrink_to_fit();
    end_reading();  // the handler has its own patience
    handle();
  }

  /// One answer to one request, however often and by whom it is given. One that nobody gives any more, since an
  /// exception has taken everybody along who could, is this server's own.
  struct Answer {
    explicit Answer(std::shared_ptr<Session> asked) : session(std::move(asked)) {}
    Answer(const Answer&) = delete;
    Answer& operator=(const Answer&) = delete;
    ~Answer() {
      if (given || session->server_->stopping) return;
      auto& io = session->server_->io;
      asio::post(io, [asker = std::move(session)] { asker->end_without_answer(); });
    }
    void give(Response response) {
      if (!std::exchange(given, true)) session->send(std::move(response), session->head_.keep_alive);
    }
    std::shared_ptr<Session> session;
    bool given = false;
  };

  void handle() {
    server_->settings.handle(request_, [answer = std::make_shared<Answer>(shared_from_this())](Response response) {
      answer->give(std::move(response));
    });
    request_.body = {};
  }

  /// Nobody asks the kernel before every answer: what has been given up as its client had left is not answered.
  void end_without_answer() {
    if (client_left()) return close();
    send(problem(request_, 500, "internal_error", "devbindd failed while it answered; its log says at what."),
         head_.keep_alive);
  }

  bool client_left() const {
    if (!stream_.socket().is_open()) return true;
    pollfd asked{.fd = const_cast<Session*>(this)->stream_.socket().native_handle(), .events = POLLRDHUP, .revents = 0};
    if (::poll(&asked, 1, 0) <= 0) return false;
    // unix(7): POLLHUP comes when the other end is closed. tcp(7): a FIN is all that comes of that.
    return (asked.revents & (POLLHUP | POLLERR | POLLNVAL)) != 0 || (tcp_ && (asked.revents & POLLRDHUP) != 0);
  }

  // What the guard refuses ends the connection: nobody can say where the next request begins.
  void refuse(const GuardRefusal& refusal) {
    send(problem(request_, refusal.status, refusal.code, refusal.detail), false);
  }

  void send(Response answer, bool keep_alive) {
    if (answered_) return;
    answered_ = true;
    const bool stays = keep_alive && !server_->stopping;
    response_.emplace();
    response_->version(head_.http_1_0 ? 10 : 11);
    response_->result(static_cast<unsigned>(answer.status));
    response_->set(http::field::server, "devbindd");
    response_->set(http::field::date, http_date());
    response_->set(http::field::content_type, answer.content_type);
    response_->set(http::field::cache_control, "no-store");
    response_->set("X-Content-Type-Options", "nosniff");
    response_->set("Api-Version", "1");
    response_->set("Request-Id", request_.id);
    for (const auto& [name, value] : answer.headers) response_->set(name, value);
    response_->keep_alive(stays);
    if (answer.content_type.starts_with("text/")) answer.body = several_lines(answer.body);
    response_->content_length(answer.body.size());
    if (head_.method != "HEAD") response_->body() = std::move(answer.body);
    server_->settings.log({.request_id = request_.id,
                           .caller = caller_.text,
                           .method = head_.method.empty() ? "-" : head_.method,
                           .target = head_.target.empty() ? "-" : head_.target,
                           .status = answer.status,
                           .duration = std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - started_)});
    end_reading();
    stream_.expires_after(server_->settings.limits.write_time);
    if (answer.descriptors) return send_along(std::move(answer.descriptors), stays);
    serializer_.emplace(*response_);
    if (head_.method == "HEAD") {
      http::async_write_header(stream_, *serializer_,
                               beast::bind_front_handler(&Session::on_sent, shared_from_this(), stays));
    } else {
      http::async_write(stream_, *serializer_, beast::bind_front_handler(&Session::on_sent, shared_from_this(), stays));
    }
  }

  // The descriptors go with the answer's first byte, and are closed here as soon as that has left.
  void send_along(std::shared_ptr<std::vector<sysfs::FileDescriptor>> descriptors, bool stays) {
    std::ostringstream text;
    text << *response_;
    outgoing_ = std::move(text).str();
    error_code ignored;
    stream_.socket().native_non_blocking(true, ignored);
    limit_reading(server_->settings.limits.write_time);
    send_first_bytes(descriptors, stays);
  }

  void send_first_bytes(const std::shared_ptr<std::vector<sysfs::FileDescriptor>>& descriptors, bool stays) {
    const auto sent = sysfs::send_with_descriptors(stream_.socket().native_handle(), outgoing_, *descriptors);
    if (!sent && sent.error().errno_value == EAGAIN) {
      return stream_.socket().async_wait(Generic::socket::wait_write,
                                         [self = shared_from_this(), descriptors, stays](error_code error) {
                                           if (error) return self->close();
                                           self->send_first_bytes(descriptors, stays);
                                         });
    }
    if (!sent) return close();
    descriptors->clear();
    end_reading();
    stream_.expires_after(server_->settings.limits.write_time);
    asio::async_write(stream_, asio::buffer(outgoing_) + *sent,
                      beast::bind_front_handler(&Session::on_sent, shared_from_this(), stays));
  }

  void on_sent(bool stays, error_code error, std::size_t) {
    answered_ = false;
    if (error) return close();
    if (!stays) return linger();
    head_ = {};
    idle_since_ = Clock::now();
    awaits_head_ = true;
    idle_ = true;
    read_head();
  }

  // Closing with unread bytes makes the kernel reset the connection, and the client lose the answer.
  void linger() {
    error_code ignored;
    stream_.socket().shutdown(Generic::socket::shutdown_send, ignored);
    stream_.expires_after(std::chrono::seconds(1));
    drain(0);
  }

  void drain(std::size_t drained) {
    buffer_.clear();
    stream_.async_read_some(buffer_.prepare(chunk),
                            [self = shared_from_this(), drained](error_code error, std::size_t count) {
                              if (error || drained + count > 4 * max_body_bytes) return self->close();
                              self->drain(drained + count);
                            });
  }

  void close() {
    error_code ignored;
    deadline_.cancel();
    stream_.socket().close(ignored);
    leave();
  }

  // The connection's end is not the session's own: a task that hangs in the kernel may keep that for long.
  void leave() {
    if (server_->sessions.erase(this) > 0 && refused_) --server_->refused;
    if (server_->stopping) return;  // it is not the client who leaves
    for (auto& [claim, closed] : std::exchange(connection_->on_close, {}))
      asio::post(server_->io, [connection = connection_, closed = std::move(closed)] { closed(); });
  }

  std::shared_ptr<Server::Impl> server_;
  beast::basic_stream<Generic> stream_;
  asio::steady_timer deadline_;
  Caller caller_;
  bool tcp_;
  std::shared_ptr<handoff::Connection> connection_ = std::make_shared<handoff::Connection>();
  std::shared_ptr<const ClientLeft> client_left_;
  std::string outgoing_;  ///< an answer with descriptors
  beast::flat_buffer buffer_{max_header_bytes + max_body_bytes + 2 * chunk};
  bool refused_ = false;
  bool awaits_head_ = true;  ///< no request is under way: whatever of one has come, it is no whole head
  Clock::time_point idle_since_ = Clock::now();
  bool idle_ = true;
  bool late_ = false;  ///< the time for reading is over
  bool first_ = true;
  bool answered_ = false;
  Clock::time_point started_;
  RequestHead head_;
  Request request_;
  std::optional<http::request_parser<http::string_body>> parser_;
  std::optional<http::response<http::string_body>> response_;
  std::optional<http::response_serializer<http::string_body>> serializer_;
};

// Who is at the other end, taken when the connection is made.
Caller caller_of(asio::ip::tcp::socket& socket, const Server::Settings& settings, Access) {
  error_code error;
  const auto local = socket.local_endpoint(error);
  return tcp_caller(settings.tcp_may_change, error ? std::string{} : local.address().to_string());
}

Caller caller_of(asio::local::stream_protocol::socket& socket, const Server::Settings& settings, Access others) {
  return unix_caller(socket.native_handle(), settings.unix_group, others);
}

template <class Acceptor>
void Server::Impl::accept(Acceptor& acceptor, void (Impl::*again)(), Access others) {
  acceptor.async_accept([self = shared_from_this(), again, others](error_code error, auto socket) {
    constexpr bool tcp = std::is_same_v<Acceptor, asio::ip::tcp::acceptor>;
    if (self->stopping || error == asio::error::operation_aborted) return;
    if (error) {
      // Out of descriptors or memory: a pause lets sessions end; giving up would leave a daemon that nobody reaches.
      self->retry.expires_after(std::chrono::milliseconds(100));
      self->retry.async_wait([self, again](error_code stopped) {
        if (!stopped) (self.get()->*again)();
      });
      return;
    }
    (self.get()->*again)();  // whatever becomes of this one
    sysfs::close_on_exec(socket.native_handle());
    auto caller = caller_of(socket, self->settings, others);
    self->welcome(Generic::socket(std::move(socket)), std::move(caller), tcp);
  });
}

void Server::Impl::welcome(Generic::socket socket, Caller caller, bool tcp) {
  std::vector<Session*> present;
  std::vector<Connected> connected;
  for (auto* session : sessions) {
    if (session->is_refused()) continue;
    present.push_back(session);
    connected.push_back(session->connected());
  }
  const Connected newcomer{.tcp = tcp, .trusted = is_trusted(caller), .uid = caller.requester.uid};
  const auto admission = admit(connected, newcomer, settings.limits.connections);
  if (const auto* away = std::get_if<TurnedAway>(&admission))
    return turn_away(std::move(socket), std::move(caller), tcp, away->why);
  if (const auto* instead = std::get_if<AdmittedFor>(&admission)) present[instead->victim]->make_room();
  std::make_shared<Session>(shared_from_this(), std::move(socket), std::move(caller), tcp)->start();
}

// Saying so takes a connection too, for a second: beyond a number of them the others are closed without a word.
void Server::Impl::turn_away(Generic::socket socket, Caller caller, bool tcp, const std::string& why) {
  if (refused < settings.limits.refusals) {
    std::make_shared<Session>(shared_from_this(), std::move(socket), std::move(caller), tcp)->start_refused(why);
    return;
  }
  settings.log({.request_id = "-", .caller = caller.text, .method = "-", .target = "-", .status = 503});
}

void Server::Impl::accept_unix() { accept(*unix_acceptor, &Impl::accept_unix, Access::Read); }

void Server::Impl::accept_claims() { accept(*claims_acceptor, &Impl::accept_claims, Access::OwnClaims); }

void Server::Impl::accept_tcp() { accept(*tcp_acceptor, &Impl::accept_tcp, Access::Read); }

Server::Server(asio::io_context& io, Settings settings) : impl_(std::make_shared<Impl>(io, std::move(settings))) {}

Server::~Server() { stop(); }

namespace {

// A socket file on which nobody listens any more is left over from a daemon that was killed.
sysfs::Result<> remove_stale_socket(const std::string& path) {
  struct stat found {};
  if (::lstat(path.c_str(), &found) != 0) return {};
  if (!S_ISSOCK(found.st_mode)) return std::unexpected(system_error(path + " is there and is no socket", EEXIST, path));
  // Without waiting: a daemon whose queue of connections is full is there, and says so by EAGAIN.
  const sysfs::FileDescriptor probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!probe) return std::unexpected(system_error("cannot make a socket", errno, path));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  const bool answered = ::connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  const int error = answered ? 0 : errno;
  if (answered || error == EAGAIN)
    return std::unexpected(system_error("another daemon listens on " + path, EADDRINUSE, path));
  if (error == ENOENT) return {};
  // Anything else is no sign that nobody listens: a socket of another type (EPROTOTYPE), no right to ask (EACCES).
  if (error != ECONNREFUSED)
    return std::unexpected(system_error("cannot tell whether somebody listens on " + path, error, path));
  if (::unlink(path.c_str()) != 0 && errno != ENOENT)
    return std::unexpected(system_error("cannot remove " + path, errno, path));
  return {};
}

using UnixAcceptor = asio::local::stream_protocol::acceptor;

sysfs::Result<UnixAcceptor> listen_on(asio::io_context& io, const std::string& path, unsigned mode,
                                      std::optional<unsigned> group) {
  if (path.size() >= sizeof(sockaddr_un::sun_path))
    return std::unexpected(system_error("the socket path " + path, ENAMETOOLONG, path));
  if (auto done = remove_stale_socket(path); !done) return std::unexpected(done.error());
  error_code error;
  UnixAcceptor acceptor(io);
  acceptor.open(asio::local::stream_protocol(), error);
  if (!error) sysfs::close_on_exec(acceptor.native_handle());
  const auto before = ::umask(0777U & ~mode);
  if (!error) acceptor.bind(path, error);
  ::umask(before);
  if (!error) acceptor.listen(queued_connections, error);
  if (error) return std::unexpected(system_error("cannot listen on " + path, error.value(), path));
  if (group && ::chown(path.c_str(), static_cast<uid_t>(-1), *group) != 0) {
    const int failed = errno;
    ::unlink(path.c_str());
    return std::unexpected(system_error("cannot give " + path + " to group " + std::to_string(*group), failed, path));
  }
  return acceptor;
}

}  // namespace

sysfs::Result<> Server::listen_unix(const std::string& path, unsigned mode, std::optional<unsigned> group) {
  auto acceptor = listen_on(impl_->io, path, mode, group);
  if (!acceptor) return std::unexpected(acceptor.error());
  impl_->paths.push_back(path);
  impl_->unix_acceptor.emplace(std::move(*acceptor));
  impl_->accept_unix();
  return {};
}

sysfs::Result<> Server::listen_claims(const std::string& path) {
  constexpr unsigned for_everybody = 0666;
  auto acceptor = listen_on(impl_->io, path, for_everybody, std::nullopt);
  if (!acceptor) return std::unexpected(acceptor.error());
  impl_->paths.push_back(path);
  impl_->claims_acceptor.emplace(std::move(*acceptor));
  impl_->accept_claims();
  return {};
}

sysfs::Result<> Server::adopt_unix(int descriptor) {
  error_code error;
  asio::local::stream_protocol::acceptor acceptor(impl_->io);
  acceptor.assign(asio::local::stream_protocol(), descriptor, error);
  if (error) return std::unexpected(system_error("cannot use the socket that systemd passed", error.value(), {}));
  impl_->unix_acceptor.emplace(std::move(acceptor));
  impl_->accept_unix();
  return {};
}

sysfs::Result<unsigned short> Server::listen_tcp(const std::string& address, unsigned short port) {
  error_code error;
  const auto ip = asio::ip::make_address(address, error);
  if (error || !ip.is_loopback()) {
    return std::unexpected(
        system_error("the TCP address " + address + " is no loopback address", EADDRNOTAVAIL, address));
  }
  const asio::ip::tcp::endpoint endpoint(ip, port);
  asio::ip::tcp::acceptor acceptor(impl_->io);
  acceptor.open(endpoint.protocol(), error);
  if (!error) sysfs::close_on_exec(acceptor.native_handle());
  if (!error) acceptor.set_option(asio::socket_base::reuse_address(true), error);
  if (!error) acceptor.bind(endpoint, error);
  if (!error) acceptor.listen(queued_connections, error);
  if (error)
    return std::unexpected(
        system_error("cannot listen on " + address + " port " + std::to_string(port), error.value(), address));
  impl_->tcp_acceptor.emplace(std::move(acceptor));
  impl_->accept_tcp();
  return impl_->tcp_acceptor->local_endpoint().port();
}

void Server::stop() {
  if (std::exchange(impl_->stopping, true)) return;
  error_code ignored;
  impl_->retry.cancel();
  if (impl_->unix_acceptor) impl_->unix_acceptor->close(ignored);
  if (impl_->claims_acceptor) impl_->claims_acceptor->close(ignored);
  if (impl_->tcp_acceptor) impl_->tcp_acceptor->close(ignored);
  for (const auto& path : impl_->paths) ::unlink(path.c_str());
  const auto sessions = impl_->sessions;
  for (auto* session : sessions) session->close_if_idle();
}

std::size_t Server::connections() const { return impl_->sessions.size(); }

void run(asio::io_context& io, const std::function<void(const std::string&)>& failed) {
  while (true) {
    try {
      io.run();
      return;
    } catch (const std::exception& bug) {
      failed(bug.what());
    }
  }
}

}  // namespace devbindd::api

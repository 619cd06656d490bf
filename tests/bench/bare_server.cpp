// SPDX-License-Identifier: Apache-2.0
// What Beast alone can do: one thread, connections that stay, and for every request the same answer out of memory. The
// answer is one that was recorded from the daemon (a file with head and body). It reads the request and judges nothing
// of it; no deadline, no log, no caller. Listens on a Unix socket and on a loopback port, and prints "listening PORT".
#include <boost/asio/buffer.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/span.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/span_body.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>
#include <csignal>
#include <cstdio>
#include <exception>
#include <fstream>
#include <iterator>
#include <limits>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>

namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using boost::system::error_code;
using Answer = http::response<http::span_body<const char>>;

/// An answer as it came, and its body, which the message points to.
struct Recorded {
  std::string body;
  Answer answer;
};

std::unique_ptr<Recorded> recorded_in(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(file), {}};
  http::response_parser<http::string_body> parser;
  parser.body_limit(std::numeric_limits<std::uint64_t>::max());
  parser.eager(true);
  const auto head = bytes.find("\r\n\r\n");
  if (head == std::string::npos) throw std::runtime_error(path + ": no answer");
  parser.skip(bytes.starts_with("HTTP/1.1 304"));  // its Content-Length is of the answer that it stands for
  error_code error;
  std::size_t used = 0;
  while (used < bytes.size() && !parser.is_done()) {
    used += parser.put(asio::buffer(bytes.data() + used, bytes.size() - used), error);
    if (error) throw std::runtime_error(path + ": " + error.message());
  }
  auto message = parser.release();
  auto found = std::make_unique<Recorded>();
  found->body = std::move(message.body());
  static_cast<http::response_header<>&>(found->answer) = message.base();
  found->answer.body() = {found->body.data(), found->body.size()};
  return found;
}

template <class Socket>
class Session : public std::enable_shared_from_this<Session<Socket>> {
 public:
  Session(Socket socket, const Answer& answer) : socket_(std::move(socket)), answer_(answer) {}

  void read() {
    request_ = {};
    http::async_read(socket_, buffer_, request_, [self = this->shared_from_this()](error_code error, std::size_t) {
      if (!error) self->write();
    });
  }

 private:
  void write() {
    serializer_.emplace(answer_);
    http::async_write(socket_, *serializer_, [self = this->shared_from_this()](error_code error, std::size_t) {
      if (!error) self->read();
    });
  }

  Socket socket_;
  const Answer& answer_;
  beast::flat_buffer buffer_;
  http::request<http::empty_body> request_;
  std::optional<http::serializer<false, http::span_body<const char>>> serializer_;
};

template <class Acceptor>
void accept(Acceptor& acceptor, const Answer& answer) {
  using Socket = typename Acceptor::protocol_type::socket;
  acceptor.async_accept([&acceptor, &answer](error_code error, Socket socket) {
    if (!error) {
      if constexpr (std::is_same_v<Socket, asio::ip::tcp::socket>) socket.set_option(asio::ip::tcp::no_delay(true));
      std::make_shared<Session<Socket>>(std::move(socket), answer)->read();
    }
    accept(acceptor, answer);
  });
}

int serve(const std::string& file, const std::string& path) {
  const auto recorded = recorded_in(file);
  asio::io_context io{1};
  asio::local::stream_protocol::acceptor near(io, {path});
  asio::ip::tcp::acceptor far(io, {asio::ip::make_address("127.0.0.1"), 0});
  accept(near, recorded->answer);
  accept(far, recorded->answer);
  std::printf("listening %u\n", static_cast<unsigned>(far.local_endpoint().port()));
  std::fflush(stdout);
  io.run();
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fputs("Usage: bench_bare_server ANSWER_FILE SOCKET\n", stderr);
    return 2;
  }
  std::signal(SIGPIPE, SIG_IGN);
  try {
    return serve(argv[1], argv[2]);
  } catch (const std::exception& wrong) {
    std::fprintf(stderr, "bench_bare_server: %s\n", wrong.what());
    return 1;
  }
}

// SPDX-License-Identifier: Apache-2.0
#include "api/http/tls_passage.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/write.hpp>
#include <cerrno>
#include <utility>

namespace devbindd::api {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;

using NameSocket = int(int, sockaddr*, socklen_t*);

// Of getpeername() or getsockname(). An IPv4 client of an IPv6 socket is shown as what it is.
std::string address_of(int socket, NameSocket* name) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  if (name(socket, reinterpret_cast<sockaddr*>(&address), &size) != 0) return {};
  std::array<char, INET6_ADDRSTRLEN> text{};
  const auto& six = reinterpret_cast<const sockaddr_in6&>(address).sin6_addr;
  const bool mapped = address.ss_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&six);
  const void* bytes = address.ss_family == AF_INET6 ? static_cast<const void*>(&six) : nullptr;
  if (address.ss_family == AF_INET) bytes = &reinterpret_cast<const sockaddr_in&>(address).sin_addr;
  if (mapped) bytes = &six.s6_addr[12];
  const int family = mapped ? AF_INET : address.ss_family;
  if (bytes == nullptr || ::inet_ntop(family, bytes, text.data(), text.size()) == nullptr) return {};
  return text.data();
}

}  // namespace

TlsPassage::TlsPassage(asio::io_context& io, StreamSocket socket, TlsContext context, const TlsLimits& limits)
    : context_(std::move(context)), limits_(limits), outer_(std::move(socket), *context_), inner_(io), timer_(io) {
  const int descriptor = outer_.next_layer().native_handle();
  addresses_ = {.peer = address_of(descriptor, ::getpeername), .local = address_of(descriptor, ::getsockname)};
  error_code ignored;
  outer_.next_layer().set_option(asio::ip::tcp::no_delay(true), ignored);
}

void TlsPassage::open(OnOpened done) {
  limit(limits_.handshake_time, "it did not finish the handshake in time");
  outer_.async_handshake(
      asio::ssl::stream_base::server, [self = shared_from_this(), done = std::move(done)](error_code error) {
        self->timer_.cancel();
        auto result = error ? sysfs::fail(sysfs::ErrorCode::Kernel, self->fault_of(error), EPROTO) : self->opened();
        const bool open = result.has_value();
        done(std::move(result));
        if (!open) return self->close();
        self->pump_in();
        self->pump_out();
      });
}

std::string TlsPassage::fault_of(const error_code& error) {
  if (!closed_why_.empty()) return closed_why_;
  const auto verified = ::SSL_get_verify_result(outer_.native_handle());
  return error.message() +
         (verified == X509_V_OK ? std::string{} : std::string(": ") + ::X509_verify_cert_error_string(verified));
}

sysfs::Result<TlsPassage::Opened> TlsPassage::opened() {
  auto certificate = peer_certificate(outer_.native_handle());
  if (!certificate) return std::unexpected(certificate.error());
  std::array<int, 2> pair{};
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair.data()) != 0)
    return sysfs::fail(sysfs::ErrorCode::Kernel, "cannot make a socket pair: " + sysfs::errno_text(errno), errno);
  sysfs::FileDescriptor theirs(pair[0]);
  error_code error;
  inner_.assign(asio::local::stream_protocol(), pair[1], error);
  if (error)
    return sysfs::fail(sysfs::ErrorCode::Kernel, "cannot use a socket pair: " + error.message(), error.value());
  return Opened{std::move(theirs), std::move(*certificate)};
}

// One thing at a time has a limit: the handshake, then what is written to the client, then the goodbye.
void TlsPassage::limit(std::chrono::milliseconds time, const char* why) {
  timer_.expires_after(time);
  timer_.async_wait([weak = weak_from_this(), why](error_code error) {
    const auto self = weak.lock();
    if (!error && self && self->timer_.expiry() <= std::chrono::steady_clock::now()) self->close(why);
  });
}

void TlsPassage::pump_in() {
  outer_.async_read_some(asio::buffer(inbound_), [self = shared_from_this()](error_code error, std::size_t count) {
    if (error) return self->end_in();
    asio::async_write(self->inner_, asio::buffer(self->inbound_, count), [self](error_code failed, std::size_t) {
      if (failed) return self->end_in();
      self->pump_in();
    });
  });
}

void TlsPassage::pump_out() {
  inner_.async_read_some(asio::buffer(outbound_), [self = shared_from_this()](error_code error, std::size_t count) {
    if (error) return self->end_out();
    self->limit(self->limits_.write_time, "it did not take what was sent to it");
    asio::async_write(self->outer_, asio::buffer(self->outbound_, count), [self](error_code failed, std::size_t) {
      self->timer_.cancel();
      if (failed) return self->close();
      self->pump_out();
    });
  });
}

void TlsPassage::end_in() {
  in_over_ = true;
  error_code ignored;
  inner_.shutdown(Inner::shutdown_send, ignored);
  if (out_over_) say_goodbye();
}

// A read of the client is cancelled first: it and the goodbye would both want what comes from there.
void TlsPassage::end_out() {
  out_over_ = true;
  error_code ignored;
  if (in_over_) return say_goodbye();
  outer_.next_layer().cancel(ignored);
}

void TlsPassage::say_goodbye() {
  limit(limits_.goodbye_time, "it did not end the connection");
  outer_.async_shutdown([self = shared_from_this()](error_code) { self->close(); });
}

void TlsPassage::close(std::string why) {
  error_code ignored;
  closed_why_ = std::move(why);
  timer_.cancel();
  outer_.next_layer().close(ignored);
  inner_.close(ignored);
}

}  // namespace devbindd::api

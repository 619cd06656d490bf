// SPDX-License-Identifier: Apache-2.0
#include "api/http/listener.hpp"

#include <chrono>
#include <utility>

namespace devbindd::api {

using boost::system::error_code;

Listener::Listener(boost::asio::io_context& io, Acceptor acceptor, std::function<void(StreamSocket)> on_connection)
    : acceptor_(std::move(acceptor)), retry_(io), on_connection_(std::move(on_connection)) {}

void Listener::start() {
  acceptor_.async_accept([self = shared_from_this()](const error_code& error, StreamSocket socket) {
    self->on_accepted(error, std::move(socket));
  });
}

void Listener::on_accepted(const error_code& error, StreamSocket socket) {
  if (stopped_ || error == boost::asio::error::operation_aborted) return;
  if (error) return try_again_later();  // a pause lets sessions end
  start();                              // whatever becomes of this one
  sysfs::close_on_exec(socket.native_handle());
  on_connection_(std::move(socket));
}

void Listener::try_again_later() {
  retry_.expires_after(std::chrono::milliseconds(100));
  retry_.async_wait([self = shared_from_this()](const error_code& error) {
    if (!error && !self->stopped_) self->start();
  });
}

void Listener::stop() {
  stopped_ = true;
  error_code ignored;
  retry_.cancel();
  acceptor_.close(ignored);
}

}  // namespace devbindd::api

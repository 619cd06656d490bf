// SPDX-License-Identifier: Apache-2.0
#include "api/http/first_bytes.hpp"

#include <cerrno>
#include <utility>

#include "sysfs/kernel/descriptor_passing.hpp"

namespace devbindd::api {

void send_first_bytes(StreamSocket& socket, std::string_view bytes, Descriptors descriptors,
                      std::function<void(std::optional<std::size_t>)> done) {
  boost::system::error_code ignored;
  socket.native_non_blocking(true, ignored);
  const auto sent = sysfs::send_with_descriptors(socket.native_handle(), bytes, *descriptors);
  if (!sent && sent.error().errno_value == EAGAIN) {
    return socket.async_wait(StreamSocket::wait_write,
                             [&socket, bytes, descriptors = std::move(descriptors),
                              done = std::move(done)](const boost::system::error_code& error) mutable {
                               if (error) return done(std::nullopt);
                               send_first_bytes(socket, bytes, std::move(descriptors), std::move(done));
                             });
  }
  if (!sent) return done(std::nullopt);
  descriptors->clear();
  done(*sent);
}

}  // namespace devbindd::api

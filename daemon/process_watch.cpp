// SPDX-License-Identifier: Apache-2.0
#include "daemon/process_watch.hpp"

#include <sys/syscall.h>
#include <unistd.h>

#include <boost/asio/posix/stream_descriptor.hpp>
#include <cerrno>
#include <cstring>
#include <memory>
#include <string>

namespace devbindd::daemon {

using boost::system::error_code;

sysfs::Result<std::function<void()>> watch_process(boost::asio::io_context& io, std::int32_t pid,
                                                   std::function<void()> on_end) {
  // glibc 2.36 declares pidfd_open() without C linkage.
  const int descriptor = static_cast<int>(::syscall(SYS_pidfd_open, pid, 0));
  if (descriptor < 0) {
    const int errno_value = errno;
    return sysfs::fail(sysfs::ErrorCode::Kernel,
                       "cannot watch the process " + std::to_string(pid) + ": " + std::strerror(errno_value),
                       errno_value);
  }
  auto watched = std::make_shared<boost::asio::posix::stream_descriptor>(io, descriptor);
  watched->async_wait(boost::asio::posix::stream_descriptor::wait_read,
                      [watched, on_end = std::move(on_end)](error_code error) {
                        if (!error) on_end();
                      });
  return [watched] {
    error_code ignored;
    watched->close(ignored);
  };
}

}  // namespace devbindd::daemon

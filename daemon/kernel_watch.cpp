// SPDX-License-Identifier: Apache-2.0
#include "daemon/kernel_watch.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <chrono>
#include <utility>

#include "daemon/later.hpp"
#include "sysfs/kernel/file_descriptor.hpp"

namespace devbindd::daemon {
namespace {

using boost::asio::posix::stream_descriptor;
using boost::system::error_code;

/// Does something when its scope ends, also by an exception: what watches goes on watching.
class AtEnd {
 public:
  explicit AtEnd(std::function<void()> work) : work_(std::move(work)) {}
  AtEnd(const AtEnd&) = delete;
  AtEnd& operator=(const AtEnd&) = delete;
  ~AtEnd() { work_(); }

 private:
  std::function<void()> work_;
};

}  // namespace

void KernelWatch::open() {
  auto socket = sysfs::UeventSocket::open();
  if (socket) {
    uevents_.emplace(std::move(*socket));
    uevent_descriptor_.emplace(io_, sysfs::duplicate(uevents_->descriptor()).release());
  } else {
    spdlog::warn("{}; every answer reads all devices again, ignoring", socket.error().message);
  }
  if (auto udev = sysfs::UdevSocket::open()) {
    udev_.emplace(std::move(*udev));
    udev_descriptor_.emplace(io_, sysfs::duplicate(udev_->descriptor()).release());
  } else {
    spdlog::warn("{}; a node that udev changes loses what a claim has granted, ignoring", udev.error().message);
  }
}

void KernelWatch::start() {
  watch_uevents();
  watch_udev();
}

sysfs::UeventBatch KernelWatch::drain() {
  if (!uevents_) return {.events = {}, .lost = true};
  auto batch = uevents_->drain();
  const auto of_vfio = [](const sysfs::Uevent& event) {
    return event.action == "add" && event.subsystem.starts_with("vfio");
  };
  if (std::ranges::any_of(batch.events, of_vfio)) tell_of_nodes();
  if (!batch.events.empty()) boost::asio::post(io_, [this, batch] { hooks_.on_events(batch); });
  return batch;
}

// The snapshot itself is refreshed when somebody asks; this keeps the socket's queue from overflowing meanwhile.
void KernelWatch::watch_uevents() {
  if (!uevent_descriptor_) return;
  uevent_descriptor_->async_wait(stream_descriptor::wait_read, [this](error_code error) {
    if (error) return;
    const AtEnd again([this] { watch_uevents(); });
    hooks_.on_readable();
  });
}

// udevd sets owner and mode of a node when it has processed its event, which narrows what a claim had granted.
void KernelWatch::watch_udev() {
  if (!udev_descriptor_) return;
  udev_descriptor_->async_wait(stream_descriptor::wait_read, [this](error_code error) {
    if (error) return;
    const AtEnd again([this] { watch_udev(); });
    if (udev_->drain("vfio")) tell_of_nodes();
  });
}

void KernelWatch::tell_of_nodes() {
  if (std::exchange(nodes_to_tell_, true)) return;
  run_later(io_, std::chrono::milliseconds(50), [this] {
    nodes_to_tell_ = false;
    hooks_.on_nodes();
  });
}

}  // namespace devbindd::daemon

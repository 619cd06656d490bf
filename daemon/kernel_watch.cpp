// SPDX-License-Identifier: Apache-2.0
#include "daemon/kernel_watch.hpp"

#include <spdlog/spdlog.h>
#include <sys/inotify.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <string_view>
#include <utility>

#include "daemon/later.hpp"
#include "sysfs/kernel/file_descriptor.hpp"
#include "sysfs/kernel/paths.hpp"

namespace devbindd::daemon {
namespace {

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

constexpr std::string_view dev_directory = "/dev";
constexpr std::string_view node_directory = "/dev/vfio";
constexpr std::string_view cdev_directory = "/dev/vfio/devices";
constexpr std::uint32_t of_nodes = IN_CREATE | IN_DELETE | IN_MOVE | IN_ATTRIB | IN_DELETE_SELF;

/// What was opened; otherwise a line in the log that says what `without` it is so.
template <class Source>
std::optional<Source> opened(sysfs::Result<Source> source, const char* without) {
  if (source) return std::move(*source);
  spdlog::warn("{}; {}, ignoring", source.error().message, without);
  return std::nullopt;
}

}  // namespace

void KernelWatch::open() {
  uevents_ = opened(sysfs::UeventSocket::open(), "every answer reads all devices again");
  network_ = opened(sysfs::NetworkWatch::open(), "every answer reads the routes again");
  files_ = opened(sysfs::FileWatch::open(), "every answer reads all devices again");
  udev_ = opened(sysfs::UdevSocket::open(), "a node that udev changes loses what a claim has granted");
  mounts_ = opened(sysfs::MountWatch::open(tree_), "no event tells of mounts");
  const auto duplicated = [this](int descriptor) {
    return std::optional<Descriptor>(std::in_place, io_, sysfs::duplicate(descriptor).release());
  };
  const auto watched = [&duplicated](const auto& source) {
    return source ? duplicated(source->descriptor()) : std::nullopt;
  };
  uevent_descriptor_ = watched(uevents_);
  network_descriptor_ = watched(network_);
  file_descriptor_ = watched(files_);
  udev_descriptor_ = watched(udev_);
  if (mounts_) mounts_descriptor_ = duplicated(mounts_->mounts_descriptor());
  if (mounts_) swaps_descriptor_ = duplicated(mounts_->swaps_descriptor());
  watch_node_directories();
}

void KernelWatch::start() {
  for (auto* const descriptor : {&uevent_descriptor_, &network_descriptor_, &file_descriptor_}) watch(*descriptor);
  watch_udev();
  watch_mounts(mounts_descriptor_);
  watch_mounts(swaps_descriptor_);
}

sysfs::UeventBatch KernelWatch::drain() {
  auto batch = uevents_ ? uevents_->drain() : sysfs::UeventBatch{.events = {}, .lost = true};
  batch.network = network_ ? network_->drain() : sysfs::NetworkNews{.changed = true, .interfaces = {}, .lost = true};
  losses_.uevents += uevents_ && batch.lost ? 1 : 0;
  losses_.network += network_ && batch.network.lost ? 1 : 0;
  take_files(batch);
  const auto of_vfio = [](const sysfs::Uevent& event) {
    return event.action == "add" && event.subsystem.starts_with("vfio");
  };
  if (std::ranges::any_of(batch.events, of_vfio)) tell_of_nodes();
  if (!batch.events.empty()) boost::asio::post(io_, [this, batch] { hooks_.on_events(batch); });
  return batch;
}

// A directory is made with the first node in it, and watched from then on: what was in it before is news.
void KernelWatch::watch_node_directories() {
  if (!files_) return;
  for (const auto& directory : {std::string(dev_directory), std::string(node_directory), std::string(cdev_directory)}) {
    if (files_->watches(directory)) continue;
    const auto done = files_->add(directory, directory == dev_directory ? IN_CREATE | IN_DELETE | IN_MOVE : of_nodes);
    if (!done && done.error().errno_value != ENOENT) spdlog::warn("{}, ignoring", done.error().message);
  }
}

void KernelWatch::take_files(sysfs::UeventBatch& batch) {
  if (!files_ || !files_->watches(std::string(dev_directory))) batch.nodes = true;  // nothing tells of them
  if (!files_) return;
  const auto found = files_->drain();
  losses_.files += found.lost ? 1 : 0;
  batch.lost = batch.lost || found.lost;
  batch.nodes = batch.nodes || found.lost;
  for (const auto& news : found.news) take_file(news, batch);
  if (batch.nodes) watch_node_directories();
}

void KernelWatch::take_file(const sysfs::FileNews& news, sysfs::UeventBatch& batch) {
  if (news.directory == dev_directory) {
    batch.nodes = batch.nodes || news.name == "vfio";
  } else if (news.directory == node_directory || news.directory == cdev_directory) {
    batch.nodes = true;
  } else if (const auto address = sysfs::parse_pci_address(news.directory.substr(news.directory.rfind('/') + 1));
             address && (news.mask & IN_MODIFY) != 0) {
    batch.written.push_back({.device = *address, .name = news.name});
  }
}

bool KernelWatch::watch_device(const sysfs::PciAddress& address, bool begin) {
  const auto directory = "/" + sysfs::paths::device(address);
  if (!files_) return false;
  if (!begin) {
    files_->remove(directory);
    return true;
  }
  const auto done = files_->add(directory, IN_MODIFY);
  if (done) return true;
  if (done.error().errno_value == ENOSPC && !std::exchange(told_of_limit_, true))
    spdlog::warn("{} (fs.inotify.max_user_watches); such devices are read again for each answer, ignoring",
                 done.error().message);
  return done.error().errno_value == ENOENT;  // it is gone, or is about to be found gone
}

// The snapshot itself is refreshed when somebody asks; this keeps the sockets' queues from overflowing meanwhile.
void KernelWatch::watch(std::optional<Descriptor>& descriptor) {
  if (!descriptor) return;
  descriptor->async_wait(Descriptor::wait_read, [this, &descriptor](error_code error) {
    if (error) return;
    const AtEnd again([this, &descriptor] { watch(descriptor); });
    hooks_.on_readable();
  });
}

// udevd sets owner and mode of a node when it has processed its event, which narrows what a claim had granted.
void KernelWatch::watch_udev() {
  if (!udev_descriptor_) return;
  udev_descriptor_->async_wait(Descriptor::wait_read, [this](error_code error) {
    if (error) return;
    const AtEnd again([this] { watch_udev(); });
    if (udev_->drain("vfio")) tell_of_nodes();
  });
}

void KernelWatch::watch_mounts(std::optional<Descriptor>& descriptor) {
  if (!descriptor) return;
  descriptor->async_wait(Descriptor::wait_error, [this, &descriptor](error_code error) {
    if (error) return;
    const AtEnd again([this, &descriptor] { watch_mounts(descriptor); });
    look_at_mounts();
  });
}

// A host of containers mounts hundreds of times a minute, and its table is long: it is read once a second at most.
void KernelWatch::look_at_mounts() {
  if (std::exchange(mounts_to_tell_, true)) return;
  run_later(io_, std::chrono::seconds(1), [this] {
    mounts_to_tell_ = false;
    if (const auto changed = mounts_->changed(); !changed.empty()) hooks_.on_mounts(changed);
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

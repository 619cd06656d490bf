// SPDX-License-Identifier: Apache-2.0
#include "sysfs/use/block_probe.hpp"

#include <blkid/blkid.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <sys/ioctl.h>
#include <sys/sysmacros.h>

#include <cerrno>
#include <memory>

#include "sysfs/kernel/file_descriptor.hpp"

namespace devbindd::sysfs {
namespace {

struct FreeProbe {
  void operator()(blkid_struct_probe* probe) const { blkid_free_probe(probe); }
};

constexpr int ambivalent = -2;  // libblkid: more than one signature, none of which it trusts

std::optional<std::string> value_of(blkid_probe probe, const char* name) {
  const char* value = nullptr;
  if (blkid_probe_lookup_value(probe, name, &value, nullptr) != 0 || value == nullptr) return std::nullopt;
  return std::string(value);
}

}  // namespace

int open_block_exclusively(const std::string& node) {
  const FileDescriptor descriptor(::open(node.c_str(), O_RDONLY | O_EXCL | O_CLOEXEC | O_NONBLOCK));
  return descriptor ? 0 : errno;
}

std::optional<std::string> block_signature(const std::string& node) {
  const FileDescriptor descriptor(::open(node.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!descriptor) return std::nullopt;
  const std::unique_ptr<blkid_struct_probe, FreeProbe> probe(blkid_new_probe());
  if (!probe || blkid_probe_set_device(probe.get(), descriptor.get(), 0, 0) != 0) return std::nullopt;
  blkid_probe_enable_superblocks(probe.get(), 1);
  blkid_probe_set_superblocks_flags(probe.get(), BLKID_SUBLKS_TYPE);
  blkid_probe_enable_partitions(probe.get(), 1);
  const int result = blkid_do_safeprobe(probe.get());
  if (result == ambivalent) return "several signatures";
  if (result != 0) return std::nullopt;
  if (auto type = value_of(probe.get(), "TYPE")) return type;
  return value_of(probe.get(), "PTTYPE");
}

std::optional<LoopBacking> loop_backing(const std::string& node) {
  const FileDescriptor descriptor(::open(node.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  loop_info64 info{};
  if (!descriptor || ::ioctl(descriptor.get(), LOOP_GET_STATUS64, &info) != 0) return std::nullopt;
  const auto number = [](std::uint64_t device) { return DeviceNumber{major(device), minor(device)}; };
  if (info.lo_rdevice != 0) return LoopBacking{.node = number(info.lo_rdevice)};
  return LoopBacking{.file_system = number(info.lo_device)};
}

BlockSeams real_block_seams() { return {&open_block_exclusively, &block_signature, &loop_backing}; }

}  // namespace devbindd::sysfs

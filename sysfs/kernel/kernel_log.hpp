// SPDX-License-Identifier: Apache-2.0
// The kernel's own log lines about a device, from /dev/kmsg: what `dmesg` would show, from a given moment on.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sysfs/kernel/file_descriptor.hpp"
#include "sysfs/kernel/pci_address.hpp"

namespace devbindd::sysfs {

/// The text of one /dev/kmsg record: `priority,sequence,microseconds,flags;text\n KEY=value...`. Escapes (\x..) stay as
/// the kernel wrote them. nullopt for anything else. Source: Documentation/ABI/testing/dev-kmsg.
std::optional<std::string> parse_kernel_log_record(std::string_view record);

/// The lines of the log as it is now that have one of `words` in them, oldest first, the oldest `limit` of them: what
/// the kernel said at boot, as long as the log has not been overwritten. nullopt where it may not be read.
std::optional<std::vector<std::string>> kernel_log_lines(const std::vector<std::string>& words, std::size_t limit);

/// A place in the kernel log: what comes after it can be asked for. By position and not by time, since the log's clock
/// drifts from every clock that a program can read.
class KernelLogMark {
 public:
  /// The end of the log as it is now. Never fails: where the log may not be read (dmesg_restrict,
  /// ProtectKernelLogs=), readable() is false and lines_about() empty.
  static KernelLogMark now();

  bool readable() const { return static_cast<bool>(log_); }
  /// The lines since the mark that name one of the addresses, oldest first, the newest `limit` of them. Each line is
  /// returned once: the mark moves on.
  std::vector<std::string> lines_about(const std::vector<PciAddress>& addresses, std::size_t limit = 20);

 private:
  FileDescriptor log_;
};

}  // namespace devbindd::sysfs

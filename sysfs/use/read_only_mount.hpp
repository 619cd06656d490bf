// SPDX-License-Identifier: Apache-2.0
// Whether what devbindd writes to can be written at all: a container has /sys read-only, and then every write fails
// with EROFS, whoever asks.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "sysfs/device/device.hpp"
#include "sysfs/kernel/tree.hpp"

namespace devbindd::sysfs {

/// The mount point that keeps this process from writing to `path` (absolute, without symbolic links), "/sys"; nullopt
/// where it can be written, or where the mounts cannot be read. Source: proc(5), mountinfo: the options of the mount
/// and those of the file system.
std::optional<std::string> read_only_mount(const Tree& tree, std::string_view path);

/// Of what a change of any PCI device writes to: the folders of the drivers and of the devices.
std::optional<std::string> read_only_sysfs(const Tree& tree);
/// The same for one device.
std::optional<std::string> read_only_sysfs(const Tree& tree, const Device& device);

}  // namespace devbindd::sysfs

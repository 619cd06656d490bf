// SPDX-License-Identifier: Apache-2.0
// The bytes of a file that is open already. Not here: files of the kernel by their paths (linux_tree.hpp).
#pragma once

#include <cstddef>
#include <optional>
#include <string>

#include "sysfs/kernel/file_descriptor.hpp"

namespace devbindd::sysfs {

/// From where it stands to its end, or until there are more than `most` bytes: then a few more than that. nullopt and
/// errno where it cannot be read.
std::optional<std::string> read_until(const FileDescriptor& file, std::size_t most);

}  // namespace devbindd::sysfs

// SPDX-License-Identifier: Apache-2.0
// The state directory: the file by which workers are known, and the journal. A daemon that never writes has none: it
// must work on any host and for any user, has nothing to remember, and its workers need not be waited for by anybody.
#pragma once

#include <boost/asio/io_context.hpp>
#include <memory>
#include <string>

#include "daemon/configuration.hpp"
#include "handoff/journal/journal.hpp"
#include "sysfs/kernel/file_descriptor.hpp"
#include "sysfs/kernel/result.hpp"
#include "sysfs/kernel/tree.hpp"

namespace devbindd::daemon {

/// The path of the file by which workers are known; "" for none.
std::string lock_file(const Configuration& configuration);

/// Makes the directory, and in it that file; before the first worker starts. An empty descriptor where there is none.
/// Errors: JournalFailed, Kernel.
sysfs::Result<sysfs::FileDescriptor> open_state(const Configuration& configuration);

/// The journal in the directory, or in memory; its answers come where `io` runs. Errors: JournalFailed, Kernel.
sysfs::Result<std::unique_ptr<handoff::Journal>> open_journal(const Configuration& configuration,
                                                              const sysfs::Tree& tree, boost::asio::io_context& io);

}  // namespace devbindd::daemon

// Whether the host uses a PCI function, as reasons against taking it away: everything of sysfs/*_use put together for
// one function and its VFs. Blocks, scans all processes and enters other network namespaces: single-threaded worker
// processes only. Not here: VFIO's own users (vfio/holders.hpp), and what a request asks for (verdict.hpp).
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "handoff/evidence.hpp"
#include "sysfs/block_use.hpp"
#include "sysfs/device.hpp"
#include "sysfs/network_state.hpp"
#include "sysfs/use.hpp"

namespace devbindd::handoff {

/// What find_uses asks besides the tree of files.
struct UsageSeams {
  std::function<sysfs::Result<sysfs::NetworkState>(const sysfs::Tree&)> network = {};
  sysfs::BlockSeams block = {};
};

/// The kernel's answers.
UsageSeams real_usage_seams();

/// Every use of the function, and of each VF of it with the VF's address in front of the path. `client_local_address`:
/// where the caller of the API reached the daemon, nullopt for a Unix socket. A function that has no driver of the host
/// is asked for its display alone. Errors: Kernel, when the network or /proc cannot be read at all: then nothing is
/// known, which is not the same as no use.
sysfs::Result<std::vector<sysfs::Use>> find_uses(const sysfs::Tree& tree, const sysfs::Device& device,
                                                 const UsageSeams& seams,
                                                 const std::optional<std::string>& client_local_address);

/// The uses as evidence about the function at `address`, in their order. Mounted file systems and swap are never
/// acceptable; what is told for information only is a warning.
std::vector<Evidence> evidence_of(const std::vector<sysfs::Use>& uses, const sysfs::PciAddress& address);

/// The uses as a flat list, for the worker's answer.
std::vector<std::string> fields_of(const std::vector<sysfs::Use>& uses);
/// The inverse. From the first field that does not fit on, nothing more is read.
std::vector<sysfs::Use> uses_from(const std::vector<std::string>& fields);

}  // namespace devbindd::handoff

// SPDX-License-Identifier: Apache-2.0
// What the processes of the host have open or mapped that may be a device's: nodes, and the files and addresses by
// which PCI memory is mapped. One pass over /proc, which can take long on a large host: worker processes only. Not
// here: whose device it is (open_nodes.hpp).
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "sysfs/kernel/fields.hpp"
#include "sysfs/kernel/pci_address.hpp"
#include "sysfs/kernel/tree.hpp"

namespace devbindd::sysfs {

/// One descriptor or one mapping: of a device node, or of a file that maps memory of a PCI function.
struct ProcessFile {
  std::int32_t pid = 0;
  std::string process = {};                 ///< for Tree: "proc/77"
  std::string path = {};                    ///< as the kernel names it, which in a container is not the host's name
  std::optional<DeviceNumber> number = {};  ///< of a node
  bool block = false;                       ///< a block device, else a character device
  std::optional<PciAddress> function = {};  ///< whose memory it maps, where it is no node
  std::string descriptor = {};              ///< for Tree: "proc/77/fd/3"; "" for a mapping
  bool mapped = false;                      ///< a mapping, which stays when the descriptor is closed
  bool registered = false;                  ///< with io_uring: `path` is all that is known, perhaps its last part
  std::uint64_t offset = 0;                 ///< of a mapping, in the file: with /dev/mem the physical address
  std::uint64_t length = 0;                 ///< of a mapping, bytes
};

struct ProcessesSeen {
  std::size_t hidden = 0;       ///< processes of which not everything may be seen
  std::size_t unread = 0;       ///< processes that were not looked at, since the bound had been reached
  std::size_t descriptors = 0;  ///< how many were looked at
};

/// Tells `visit` of every descriptor and every mapping that is a device node or maps memory of a PCI function. A node
/// is known by the number behind it (stat of /proc/PID/fd/N and /proc/PID/map_files), in whatever mount namespace and
/// under whatever name, but for /dev/null; files on network and FUSE file systems are not asked, since the answer may
/// never come. Files that are registered with an io_uring, whatever they are, are told by name. The calling process is
/// left out, and so are the threads of the kernel and one that vanishes meanwhile. A process whose first thread has
/// ended is seen through the others; a thread that has descriptors of its own beside the first one's is not. Looks at
/// four million descriptors at most. Without CAP_SYS_PTRACE the processes of other users stay hidden. Errors: Kernel,
/// when /proc itself cannot be listed. Source: proc(5).
Result<ProcessesSeen> each_process_file(const Tree& tree, const std::function<void(const ProcessFile&)>& visit);

/// kthreadd and its children: threads of the kernel, and for a moment what the kernel starts (modprobe). All of them
/// are in the first network namespace. Empty where the kernel does not tell (CONFIG_PROC_CHILDREN), and in a container.
/// Source: proc_pid_task(5), "children"; kernel/kthread.c.
std::set<std::int32_t> kernel_threads(const Tree& tree);

/// Whether the descriptor was opened with O_PATH: then it only marks a place, and nothing is open. False where that
/// cannot be read. Asked for single files only, since there is one more file to read for each. Source: proc(5), fdinfo.
bool is_only_a_place(const Tree& tree, const ProcessFile& file);

/// The function whose memory the file at `path` maps: ".../0000:05:00.0/resource0", "resource2_wc"; nullopt for any
/// other file. Source: drivers/pci/pci-sysfs.c, pci_create_attr.
std::optional<PciAddress> function_of_resource_file(std::string_view path);
/// The same for the older way, by a file that is open for its config space, too: "/proc/bus/pci/05/00.0",
/// "/proc/bus/pci/10000:05/00.0". Source: drivers/pci/proc.c, pci_proc_attach_device.
std::optional<PciAddress> function_of_proc_file(std::string_view path);

}  // namespace devbindd::sysfs

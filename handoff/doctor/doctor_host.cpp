// SPDX-License-Identifier: Apache-2.0
#include "handoff/doctor/doctor_checks.hpp"

#include <array>
#include <charconv>
#include <utility>

#include "handoff/doctor/doctor_words.hpp"
#include "sysfs/kernel/fields.hpp"

namespace devbindd::handoff {
namespace {

using sysfs::joined;

// {major, minor} of "6.1.0-44-amd64".
std::optional<std::pair<unsigned, unsigned>> version_of(std::string_view release) {
  std::pair<unsigned, unsigned> version;
  const auto* const end = release.data() + release.size();
  const auto [dot, error] = std::from_chars(release.data(), end, version.first);
  if (error != std::errc{} || dot == end || *dot != '.') return std::nullopt;
  if (std::from_chars(dot + 1, end, version.second).ec != std::errc{}) return std::nullopt;
  return version;
}

std::string size_text(std::uint64_t bytes) {
  constexpr std::array<std::pair<unsigned, const char*>, 3> units{{{30, "GiB"}, {20, "MiB"}, {10, "KiB"}}};
  for (const auto& [shift, name] : units) {
    if (bytes >= 1ULL << shift) return std::to_string(bytes >> shift) + " " + name;
  }
  return std::to_string(bytes) + " bytes";
}

std::string limit_text(const std::optional<std::uint64_t>& limit) { return limit ? size_text(*limit) : "unlimited"; }

std::string pool_text(const HugepagePool& pool) {
  return std::to_string(pool.total) + " of " + size_text(pool.size_kib * 1024) +
         (pool.node ? " on node " + std::to_string(*pool.node) : "") + " (" + std::to_string(pool.free) + " free)";
}

}  // namespace

// DMA ownership of groups came with 5.19 (drivers/iommu/iommu.c, iommu_device_use_default_domain).
Check check_kernel_version(const HostFacts& facts) {
  const std::string id = "kernel.version";
  const std::string title = "Kernel version";
  const auto version = version_of(facts.kernel_release);
  if (!version) {
    return {id, Verdict::Warn, title, "The kernel's version could not be read.",
            "Make sure that it is 5.19 or later (uname -r)."};
  }
  if (*version >= std::pair(5U, 19U)) return passed(id, title, "Linux " + facts.kernel_release + ".");
  return {id, Verdict::Warn, title,
          "Linux " + facts.kernel_release +
              " is older than 5.19: when a host driver binds to a device whose IOMMU group is in use through VFIO, the "
              "kernel crashes.",
          "Update the kernel, or hand out whole IOMMU groups only, so that no member is left to a host driver."};
}

Check check_lockdown(const HostFacts& facts) {
  const std::string id = "kernel.lockdown";
  const std::string title = "Kernel lockdown";
  if (!facts.lockdown) return passed(id, title, "This kernel has no lockdown.");
  if (*facts.lockdown == "none") return passed(id, title, "Off.");
  return {
      id, Verdict::Warn, title,
      "Lockdown is on (" + *facts.lockdown +
          "): writes to the configuration space and access to BARs through sysfs are refused. VFIO and binding work.",
      "Use VFIO rather than UIO or resource files; where those are needed, boot without Secure Boot or lockdown=."};
}

Check check_sysfs(const HostFacts& facts) {
  const std::string id = "kernel.sysfs";
  const std::string title = "Writing to /sys";
  if (!facts.read_only_sysfs)
    return passed(id, title, "What a change of a PCI device writes to is not mounted read-only.");
  return {
      id, Verdict::Fail, title,
      *facts.read_only_sysfs + " is mounted read-only for devbindd: every bind, unbind and reset will fail (EROFS).",
      "Run devbindd on the host, or give its container or unit a writable /sys."};
}

// What VFIO maps is charged to the process that maps it (kernel 6.1: vfio_iommu_type1.c, vfio_lock_acct).
Check check_locked_memory(const HostFacts& facts) {
  const std::string id = "memory.locked";
  const std::string title = "Locked memory";
  const std::string step =
      "Give whoever uses VFIO LimitMEMLOCK=infinity (systemd), memlock in limits.conf, or CAP_IPC_LOCK.";
  if (!facts.locked_memory) return {id, Verdict::Warn, title, "The limit could not be read.", step};
  const auto found = "The limit of this process is " + limit_text(facts.locked_memory->soft) + ", at most " +
                     limit_text(facts.locked_memory->hard) + "; other services have their own.";
  const auto hard = facts.locked_memory->hard;
  if (!hard || (facts.memory_bytes > 0 && *hard >= facts.memory_bytes)) return passed(id, title, found);
  return {id, Verdict::Warn, title,
          found + " A program with such a limit cannot map more for DMA: a guest needs all of its RAM.", step};
}

Check check_hugepages(const HostFacts& facts) {
  const std::string id = "memory.hugepages";
  const std::string title = "Huge pages";
  std::vector<std::string> pools;
  std::uint64_t available = 0;
  for (const auto& pool : facts.hugepages) {
    if (pool.total > 0) pools.push_back(pool_text(pool));
    available += pool.free;
  }
  if (available > 0) return passed(id, title, joined(pools) + ".");
  if (!pools.empty()) {
    return {id, Verdict::Warn, title, "All are taken: " + joined(pools) + ".", "Reserve more before the next program."};
  }
  return {id, Verdict::Warn, title, "None are reserved. VFIO needs none, but DPDK, SPDK and fast guests do.",
          "For DPDK: echo 1024 > /sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages, or hugepages= at boot."};
}

Check check_damaged_rows(const HostFacts& facts) {
  const std::string id = "state.damaged";
  const std::string title = "devbindd's state";
  if (facts.damaged_rows.empty()) return passed(id, title, "Every row of the state database could be read.");
  std::vector<std::string> rows;
  for (const auto& row : facts.damaged_rows) {
    if (rows.size() == max_named) break;
    rows.push_back(row.table + " " + row.key + " (" + row.reason + ")");
  }
  const auto more = facts.damaged_rows.size() - rows.size();
  return {id, Verdict::Warn, title,
          counted(facts.damaged_rows.size(), "row") + " of the state database could not be read: " + joined(rows) +
              (more == 0 ? "" : " and " + std::to_string(more) + " more") + ".",
          "Look at them in the table damaged of state.db in the state directory, and at the disk below it; delete them "
          "there when they are of no use."};
}

}  // namespace devbindd::handoff

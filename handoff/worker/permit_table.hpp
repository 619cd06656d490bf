// SPDX-License-Identifier: Apache-2.0
// The devices and IDs that permits name now, in memory that the keeper writes and every worker may only read: a worker
// asks nobody, and sees a permit as soon as the keeper has answered for it. Not here: which permits are given
// (keeper.hpp), what a task must have (permit_check.hpp).
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "handoff/worker/permit.hpp"
#include "sysfs/kernel/file_descriptor.hpp"
#include "sysfs/kernel/result.hpp"

namespace devbindd::handoff {

/// As a worker sees it.
class Permits {
 public:
  virtual ~Permits() = default;
  virtual bool has_device(const sysfs::PciAddress& address) const = 0;
  virtual bool has_id(std::string_view id) const = 0;  ///< "VVVV DDDD"
  virtual std::vector<sysfs::PciAddress> devices() const = 0;
};

/// Memory of `slots` entries, 0 for a free one.
class PermitMemory {
 public:
  PermitMemory(PermitMemory&& other) noexcept;
  PermitMemory& operator=(PermitMemory&&) = delete;
  ~PermitMemory();

  /// New memory, to write and to read. Error: Kernel. Source: memfd_create(2).
  static sysfs::Result<PermitMemory> create();
  /// That of another process, to read. Error: Kernel with EINVAL for a file that is too short.
  static sysfs::Result<PermitMemory> view(int descriptor);

  /// Of the file; for a process that is to see it. -1 for a view.
  int descriptor() const { return file_.get(); }
  std::atomic<std::uint64_t>* begin() const { return slots_; }
  std::atomic<std::uint64_t>* end() const;

 private:
  PermitMemory(sysfs::FileDescriptor file, std::atomic<std::uint64_t>* slots) : file_(std::move(file)), slots_(slots) {}

  sysfs::FileDescriptor file_;
  std::atomic<std::uint64_t>* slots_;
};

class PermitView final : public Permits {
 public:
  explicit PermitView(const PermitMemory& memory) : memory_(memory) {}
  bool has_device(const sysfs::PciAddress& address) const override;
  bool has_id(std::string_view id) const override;
  std::vector<sysfs::PciAddress> devices() const override;

 private:
  const PermitMemory& memory_;
};

/// As the keeper has it: which permits there are, and the memory that says so.
class PermitTable {
 public:
  explicit PermitTable(PermitMemory memory) : memory_(std::move(memory)) {}

  const PermitMemory& memory() const { return memory_; }
  /// Errors: TooBusy when there is no room; Kernel with EINVAL for an ID in another form, EEXIST for a number twice.
  sysfs::Result<> give(const Permit& permit);
  /// Of a number that is not there: nothing.
  void withdraw(std::uint64_t number);

 private:
  sysfs::Result<> add(std::uint64_t entry);
  void remove(std::uint64_t entry);

  PermitMemory memory_;
  std::map<std::uint64_t, std::size_t> counts_;                  ///< how many permits name an entry
  std::map<std::uint64_t, std::vector<std::uint64_t>> permits_;  ///< what each names, by its number
};

}  // namespace devbindd::handoff

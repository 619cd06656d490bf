// SPDX-License-Identifier: Apache-2.0
// Who works on which devices: one at a time for each IOMMU group, and for each family of a PF and its VFs. Not here:
// what the work is (engine.hpp).
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "sysfs/device/device.hpp"

namespace devbindd::handoff {

using LockKeys = std::set<std::string>;

/// What a change of these devices locks: their IOMMU groups, or they themselves without one. A PF and its VFs are one
/// family: unbinding the PF destroys the VFs. VFs do not hinder each other.
LockKeys keys_of(const std::vector<sysfs::Device>& devices);

class DeviceLocks {
 public:
  struct Table {
    std::map<std::string, std::string> holders;        ///< key -> who has it
    std::map<std::string, std::uint64_t> released_at;  ///< key -> count of releases when it was the last time
    std::uint64_t releases = 0;
  };

  /// Keys that are held as long as it lives.
  class Lock {
   public:
    Lock() = default;
    Lock(std::shared_ptr<Table> table, LockKeys keys) : table_(std::move(table)), keys_(std::move(keys)) {}
    Lock(Lock&& other) noexcept = default;
    Lock& operator=(Lock&& other) noexcept;
    ~Lock() { release(); }

   private:
    void release();

    std::shared_ptr<Table> table_ = {};
    LockKeys keys_ = {};
  };

  /// Who has one of the keys, or "".
  std::string holder_of(const LockKeys& keys) const;
  /// How often a lock has been released: what is read from now on is stale once released_since() says so.
  std::uint64_t releases() const { return table_->releases; }
  /// Whether a lock that excludes these keys has been released since releases() gave this count: somebody was at work
  /// on the same devices.
  bool released_since(std::uint64_t count, const LockKeys& keys) const;
  /// Those of the keys that nobody has.
  [[nodiscard]] Lock take(const LockKeys& keys, const std::string& holder);

 private:
  std::shared_ptr<Table> table_ = std::make_shared<Table>();
};

}  // namespace devbindd::handoff

// SPDX-License-Identifier: Apache-2.0
// Who works on which devices: one at a time for each IOMMU group, and for each family of a PF and its VFs. Not here:
// what the work is (engine.hpp).
#pragma once

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
  using Table = std::map<std::string, std::string>;  ///< key -> who has it

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
  /// Those of the keys that nobody has.
  [[nodiscard]] Lock take(const LockKeys& keys, const std::string& holder);

 private:
  std::shared_ptr<Table> table_ = std::make_shared<Table>();
};

}  // namespace devbindd::handoff

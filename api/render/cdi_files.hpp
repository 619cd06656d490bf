// SPDX-License-Identifier: Apache-2.0
// The CDI files of claims: one for each active claim, in the directory that container runtimes read.
// Not here: what stands in them (handover.hpp).
#pragma once

#include <set>
#include <string>

#include "api/render/handover.hpp"
#include "sysfs/kernel/result.hpp"

namespace devbindd::api {

class CdiFiles {
 public:
  /// "" for no files at all.
  explicit CdiFiles(std::string directory) : directory_(std::move(directory)) {}

  /// Makes the directory, for everybody to read, where it is not there. Errors: Kernel, also when it cannot be written
  /// to.
  sysfs::Result<> prepare() const;
  /// Writes devbindd-vfio-CLAIM.json, in one piece: a runtime sees all of it or nothing. A handover without devices
  /// has no file. Errors: Kernel.
  sysfs::Result<> write(const Handover& handover) const;
  /// Errors: Kernel. A file that is not there is success.
  sysfs::Result<> remove(const std::string& claim) const;
  /// Removes the files of other claims, which an earlier daemon left. Errors: Kernel.
  sysfs::Result<> keep_only(const std::set<std::string>& claims) const;

 private:
  std::string path_of(const std::string& claim) const;

  std::string directory_;
};

}  // namespace devbindd::api

// SPDX-License-Identifier: Apache-2.0
// The CDI files of claims: one for each active claim, in the directory that container runtimes read.
// Not here: what stands in them (handover.hpp).
#pragma once

#include <set>
#include <string>

#include "api/render/handover.hpp"
#include "sysfs/kernel/result.hpp"

namespace devbindd::api {

/// What stands in the file of a claim; "" for a handover without devices, which has none.
std::string cdi_text(const Handover& handover);

class CdiFiles {
 public:
  /// "" for no files at all.
  explicit CdiFiles(std::string directory) : directory_(std::move(directory)) {}

  bool is_off() const { return directory_.empty(); }

  /// Makes the directory, for everybody to read, where it is not there. Errors: Kernel, also when it cannot be written
  /// to.
  sysfs::Result<> prepare() const;
  /// Writes the text as devbindd-vfio-CLAIM.json, in one piece: a runtime sees all of it or nothing. Errors: Kernel.
  sysfs::Result<> write(const std::string& claim, const std::string& text) const;
  /// Errors: Kernel. A file that is not there is success.
  sysfs::Result<> remove(const std::string& claim) const;
  /// Writes the text, or removes the file where it is "". Errors: Kernel.
  sysfs::Result<> put(const std::string& claim, const std::string& text) const;
  /// prepare() and keep_only(). Errors: Kernel.
  sysfs::Result<> tidy(const std::set<std::string>& claims) const;
  /// Removes the files of other claims, which an earlier daemon left. Errors: Kernel.
  sysfs::Result<> keep_only(const std::set<std::string>& claims) const;

 private:
  std::string path_of(const std::string& claim) const;

  std::string directory_;
};

}  // namespace devbindd::api

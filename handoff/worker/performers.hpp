// SPDX-License-Identifier: Apache-2.0
// One function for each task, as perform.hpp calls them: perform_step.cpp, perform_read.cpp, perform_access.cpp,
// perform_vfio.cpp, perform_vf_settings.cpp.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "handoff/worker/perform.hpp"

namespace devbindd::handoff {

ResultOf<PerformStep> perform(const Kernel& kernel, const PerformStep& task);
ResultOf<ReadOverrides> perform(const Kernel& kernel, const ReadOverrides& task);
ResultOf<FindHolders> perform(const Kernel& kernel, const FindHolders& task);
ResultOf<ReadVfioFacts> perform(const Kernel& kernel, const ReadVfioFacts& task);
ResultOf<ReadAttributes> perform(const Kernel& kernel, const ReadAttributes& task);
ResultOf<ProbeVfio> perform(const Kernel& kernel, const ProbeVfio& task);
ResultOf<ReadConfig> perform(const Kernel& kernel, const ReadConfig& task);
ResultOf<ReadVpd> perform(const Kernel& kernel, const ReadVpd& task);
ResultOf<FindUsage> perform(const Kernel& kernel, const FindUsage& task);
ResultOf<ChangeAccess> perform(const Kernel& kernel, const ChangeAccess& task);
ResultOf<FindAccess> perform(const Kernel& kernel, const FindAccess& task);
ResultOf<FindOwners> perform(const Kernel& kernel, const FindOwners& task);
ResultOf<NameOwners> perform(const Kernel& kernel, const NameOwners& task);
ResultOf<RaiseLockedMemory> perform(const Kernel& kernel, const RaiseLockedMemory& task);
ResultOf<ReadVfSettings> perform(const Kernel& kernel, const ReadVfSettings& task);
ResultOf<OpenNodes> perform(const Kernel& kernel, const OpenNodes& task, std::vector<sysfs::FileDescriptor>& opened);
ResultOf<ReadAlternativeNames> perform(const Kernel& kernel, const ReadAlternativeNames& task);

/// The step SetVfSettings. Errors: Kernel; ENXIO without an interface to set them through.
sysfs::Result<> set_vf_settings(const Kernel& kernel, const sysfs::Step& step);

/// Of a task that no daemon of this version gives.
inline std::unexpected<sysfs::Error> malformed(std::string_view what) {
  return sysfs::fail(sysfs::ErrorCode::Kernel, "the worker got a malformed task: " + std::string(what), EINVAL);
}

}  // namespace devbindd::handoff

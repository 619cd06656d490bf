// Reads driver_override without ever hanging the daemon: the read takes the device lock on some kernels, and so blocks
// as long as somebody's unbind of that device does. A device whose read hangs is not asked again until that read
// returns.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "handoff/task.hpp"

namespace devbindd::handoff {

/// The override, or nullopt for none. Errors: Overdue when the kernel is busy with the device, else those of the read.
using OverrideAnswer = sysfs::Result<std::optional<std::string>>;
using OverrideAnswers = std::map<sysfs::PciAddress, OverrideAnswer>;

class OverrideReader {
 public:
  explicit OverrideReader(RunTask run_task);

  /// Calls `done` once, with an entry for each address, within the workers' deadline.
  void read(const std::vector<sysfs::PciAddress>& addresses, std::function<void(OverrideAnswers)> done);

 private:
  struct Request;
  void read_one(const std::shared_ptr<Request>& request, const sysfs::PciAddress& address);

  RunTask run_task_;
  std::shared_ptr<std::set<sysfs::PciAddress>> hanging_;
};

}  // namespace devbindd::handoff

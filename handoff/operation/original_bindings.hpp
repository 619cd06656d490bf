// SPDX-License-Identifier: Apache-2.0
// How devices were before devbindd first touched them, so that they can be given back, and which of them an operation
// has left incomplete. Kept by the journal. Not here: what a give-back writes (plan/plan.hpp).
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "handoff/operation/engine_services.hpp"
#include "handoff/operation/operation_table.hpp"
#include "handoff/plan/transaction.hpp"

namespace devbindd::handoff {

class OriginalBindings {
 public:
  explicit OriginalBindings(const EngineServices& services) : services_(services) {}

  /// Takes over what an earlier daemon has kept. Of `past`, newest first, the newest operation of this boot that
  /// changed a device tells how it was left.
  void adopt(const std::vector<Original>& originals, const OperationTable::Past& past);
  /// Forgets devices that are not there any more, or are others: nobody told of their removal while no daemon ran. For
  /// the start, with a fresh inventory and what is to be recovered among the running operations.
  void forget_replaced(const OperationTable& operations);
  /// Forgets devices that were removed, on disk too: the next one at the address is another one, even of the same make.
  void forget(const std::vector<sysfs::PciAddress>& addresses);

  const std::map<sysfs::PciAddress, Original>& all() const { return originals_; }
  /// How this very device was; nullopt: devbindd has not touched it.
  std::optional<Original> find(const sysfs::Device& device) const;
  /// The driver, or none, that devbindd's last change has left the device with; nullopt: it has not bound the device,
  /// or has given it back.
  std::optional<std::optional<std::string>> left_with(const sysfs::Device& device) const;
  /// The operation that could not be undone and left the device incomplete, or "": a give-back tries it again.
  std::string left_incomplete_by(const sysfs::PciAddress& address) const;

  /// How the devices of a part are now that devbindd has not touched before: what `operation` is about to change.
  std::vector<Original> untouched(const Part& part, const std::string& operation) const;
  /// Keeps them; the journal has them already.
  void add(const std::vector<Original>& originals);
  /// Takes in what an operation has come to, which has ended: forgets the devices that are again as they were found,
  /// and notes those that it left incomplete. Gives the addresses that the journal is to forget with its end.
  std::vector<sysfs::PciAddress> take_end(const Operation& operation);

 private:
  void mark_incomplete(const Operation& operation);
  void note_left(const Operation& operation, const Transition& transition);

  const EngineServices& services_;
  std::map<sysfs::PciAddress, Original> originals_;
  std::map<sysfs::PciAddress, std::string> incomplete_;  ///< device -> id of the operation that left it so
  std::map<sysfs::PciAddress, std::optional<std::string>> left_with_;  ///< device -> driver
};

/// Whether somebody else has moved a device since it was left with that driver.
bool is_drifted(const sysfs::Device& device, const std::optional<std::string>& left_with,
                const OperationTable& operations);

}  // namespace devbindd::handoff

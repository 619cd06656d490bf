// SPDX-License-Identifier: Apache-2.0
// What only a worker can find out about devices, since a read may hang in the kernel or take long: the readers side by
// side, for the decisions of the engine and for the answers of the API. Not here: how a hanging read is guarded
// against (guarded_reader.hpp).
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "handoff/plan/plan.hpp"
#include "handoff/usage/usage.hpp"
#include "handoff/worker/attribute_reader.hpp"
#include "handoff/worker/batch_reader.hpp"
#include "handoff/worker/config_reader.hpp"
#include "handoff/worker/override_reader.hpp"
#include "sysfs/device/inventory.hpp"

namespace devbindd::handoff {

using HoldersAnswer = sysfs::Result<std::vector<vfio::Holder>>;
/// The uses of a device. Error: as GuardedReader; then nothing is known.
using UsageAnswer = sysfs::Result<Usage>;

class DeviceReaders {
 public:
  DeviceReaders(const sysfs::Tree& tree, const sysfs::Inventory& inventory, RunTask run_task);

  OverrideReader& overrides() { return overrides_; }
  ConfigReader& configs() { return configs_; }
  AttributeReader& attributes() { return attributes_; }
  GuardedReader<ReadVpd>& vital_product_data() { return vital_product_data_; }
  /// What the driver of a PF knows of its VFs.
  GuardedReader<ReadVfSettings>& vf_settings() { return vf_settings_; }

  /// The alternative names of all network interfaces. Errors: as GuardedReader.
  void find_alternative_names(const Asker& asker, std::function<void(sysfs::Result<sysfs::AlternativeNames>)> done);
  /// How the host uses a device and its VFs, found out by a worker. `requester` tells the connection that must not be
  /// cut.
  void find_usage(const sysfs::PciAddress& address, const Requester& requester, std::function<void(UsageAnswer)> done);
  /// The same of several devices by few tasks, with an entry for each.
  void find_usages(const std::vector<sysfs::PciAddress>& addresses, const Asker& asker,
                   const std::optional<std::string>& local_address,
                   std::function<void(std::map<sysfs::PciAddress, UsageAnswer>)> done);
  /// Who has a VFIO-bound device open. Errors: Overdue, Kernel.
  void find_holders(const sysfs::Device& device, const Asker& asker, std::function<void(HoldersAnswer)> done);
  /// The same of several devices, in their order, by one look through all processes.
  void find_holders(const std::vector<sysfs::Device>& devices, const Asker& asker,
                    std::function<void(std::vector<HoldersAnswer>)> done);
  /// The VFs of a PF that somebody has open through VFIO, with whoever is seen to have them open.
  void find_open_functions(const sysfs::Device& device, const Asker& asker,
                           std::function<void(std::vector<OpenFunction>)> done);

 private:
  const sysfs::Tree& tree_;
  const sysfs::Inventory& inventory_;
  RunTask run_task_;
  OverrideReader overrides_;
  ConfigReader configs_;
  AttributeReader attributes_;
  GuardedReader<ReadVpd> vital_product_data_;
  BatchReader<FindUsage> usage_;
  GuardedReader<ReadVfSettings> vf_settings_;
  GuardedReader<ReadAlternativeNames> alternative_names_;
};

/// The VFs of a PF that a VFIO driver has.
std::vector<sysfs::Device> bound_functions(const sysfs::Inventory& inventory, const sysfs::Device& physical);

/// The VF as one that is open, as its enable count or somebody's descriptor tells; nullopt: it is not.
std::optional<OpenFunction> open_function(const sysfs::Tree& tree, const sysfs::Device& function,
                                          const HoldersAnswer& holders);

}  // namespace devbindd::handoff

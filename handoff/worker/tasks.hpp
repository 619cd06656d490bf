// SPDX-License-Identifier: Apache-2.0
// What a worker process can be asked to do: everything that may block in the kernel. One struct for each task, with
// what it asks for, the type of its answer, and how long it may take. Passive. A new one is also named in AllTasks
// (task.hpp), and its members in wire_members.hpp.
// Not here: who performs them (perform.hpp), and what they are for (plan.hpp, engine.hpp).
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "handoff/usage/usage.hpp"
#include "sysfs/config_space/config_space.hpp"
#include "sysfs/device/vf_settings.hpp"
#include "sysfs/kernel/step.hpp"
#include "sysfs/use/alternative_names.hpp"
#include "vfio/holders.hpp"
#include "vfio/node_access.hpp"
#include "vfio/probe.hpp"

namespace devbindd::handoff {

/// Which of the pool's deadlines is a task's.
enum class Patience {
  Step,  ///< writes that may reset devices and load firmware
  Read,  ///< short, but the host may be busy
  Scan,  ///< looks at all processes, or resets a device
};

/// Of a task that only succeeds or fails.
struct NoAnswer {
  bool operator==(const NoAnswer&) const = default;
};

/// What one attribute said. Absent where the kernel has no such file for the device.
struct Attribute {
  std::string content = {};
  std::string error = {};  ///< "EIO": why it could not be read, "" when it was

  bool operator==(const Attribute&) const = default;
};
using Attributes = std::map<std::string, Attribute>;

struct PerformStep {
  using Answer = sysfs::StepOutcome;
  static constexpr Patience patience = Patience::Step;
  sysfs::Step step = {};

  bool operator==(const PerformStep&) const = default;
};

struct ReadOverrides {
  using Answer = std::vector<std::string>;  ///< driver_override of each, as the file has it; "" for a vanished device
  static constexpr Patience patience = Patience::Read;
  std::vector<sysfs::PciAddress> devices = {};

  bool operator==(const ReadOverrides&) const = default;
};

struct FindHolders {
  using Answer = std::vector<std::vector<vfio::Holder>>;  ///< of each
  static constexpr Patience patience = Patience::Read;
  std::vector<vfio::HolderQuery> queries = {};  ///< at least one

  bool operator==(const FindHolders&) const = default;
};

/// What the VFIO container says of the kernel (vfio/container.hpp).
struct ReadVfioFacts {
  struct Extension {
    unsigned long number = 0;
    int answer = 0;  ///< 0: not there

    bool operator==(const Extension&) const = default;
  };
  struct Answer {
    int api_version = 0;
    std::vector<Extension> extensions = {};  ///< every one that is known, present or not

    bool operator==(const Answer&) const = default;
  };
  static constexpr Patience patience = Patience::Read;

  bool operator==(const ReadVfioFacts&) const = default;
};

struct ReadAttributes {
  using Answer = Attributes;  ///< those that the device has
  static constexpr Patience patience = Patience::Read;
  sysfs::PciAddress device = {};
  std::vector<std::string> names = {};  ///< relative to the device's directory

  bool operator==(const ReadAttributes&) const = default;
};

enum class ProbeScope {
  Device,  ///< vfio::probe()
  Iommu,   ///< vfio::probe_iommu()
};

struct ProbeVfio {
  using Answer = std::vector<vfio::RawAnswer>;
  static constexpr Patience patience = Patience::Scan;
  vfio::ProbeQuery query = {};
  ProbeScope scope = ProbeScope::Device;

  bool operator==(const ProbeVfio&) const = default;
};

struct ReadConfig {
  using Answer = sysfs::ConfigSpace;
  static constexpr Patience patience = Patience::Read;
  sysfs::PciAddress device = {};

  bool operator==(const ReadConfig&) const = default;
};

/// Vital product data.
struct ReadVpd {
  using Answer = std::vector<std::byte>;
  static constexpr Patience patience = Patience::Scan;
  sysfs::PciAddress device = {};

  bool operator==(const ReadVpd&) const = default;
};

struct FindUsage {
  using Answer = std::vector<Usage>;  ///< of each
  static constexpr Patience patience = Patience::Scan;
  std::vector<sysfs::PciAddress> devices = {};           ///< at least one
  std::optional<std::string> client_local_address = {};  ///< as find_uses() takes it

  bool operator==(const FindUsage&) const = default;
};

enum class AccessChange { Grant, Revoke };

struct ChangeAccess {
  using Answer = NoAnswer;
  static constexpr Patience patience = Patience::Read;
  AccessChange change = AccessChange::Grant;
  vfio::Grantees grantees = {};
  std::string path = {};  ///< of VFIO or of iommufd, below /dev

  bool operator==(const ChangeAccess&) const = default;
};

struct FindAccess {
  using Answer = vfio::Grantees;  ///< those of the asked for that have it already
  static constexpr Patience patience = Patience::Read;
  vfio::Grantees grantees = {};
  std::string path = {};  ///< as of ChangeAccess

  bool operator==(const FindAccess&) const = default;
};

/// Users and groups by name.
struct FindOwners {
  struct Answer {
    std::vector<std::optional<unsigned>> uids = {};  ///< of each; nullopt: there is none of that name
    std::vector<std::optional<unsigned>> gids = {};

    bool operator==(const Answer&) const = default;
  };
  static constexpr Patience patience = Patience::Read;
  std::vector<std::string> users = {};
  std::vector<std::string> groups = {};

  bool operator==(const FindOwners&) const = default;
};

/// The names of users and groups by their numbers.
struct NameOwners {
  struct Answer {
    std::vector<std::optional<std::string>> users = {};  ///< of each; nullopt: none has that number
    std::vector<std::optional<std::string>> groups = {};

    bool operator==(const Answer&) const = default;
  };
  static constexpr Patience patience = Patience::Read;
  std::vector<unsigned> uids = {};
  std::vector<unsigned> gids = {};

  bool operator==(const NameOwners&) const = default;
};

struct RaiseLockedMemory {
  using Answer = NoAnswer;
  static constexpr Patience patience = Patience::Read;
  std::int32_t pid = 0;
  std::uint64_t bytes = 0;

  bool operator==(const RaiseLockedMemory&) const = default;
};

struct ReadVfSettings {
  using Answer = std::map<sysfs::PciAddress, sysfs::VfSettings>;  ///< of the VFs whose settings the driver tells
  static constexpr Patience patience = Patience::Read;
  sysfs::PciAddress physical = {};

  bool operator==(const ReadVfSettings&) const = default;
};

/// The open descriptors come beside the answer (TaskCallbacks::on_descriptors), one for each path.
struct OpenNodes {
  using Answer = NoAnswer;
  static constexpr Patience patience = Patience::Scan;
  std::vector<std::string> paths = {};  ///< of VFIO or of iommufd, below /dev

  bool operator==(const OpenNodes&) const = default;
};

struct ReadAlternativeNames {
  using Answer = sysfs::AlternativeNames;
  static constexpr Patience patience = Patience::Read;

  bool operator==(const ReadAlternativeNames&) const = default;
};

}  // namespace devbindd::handoff

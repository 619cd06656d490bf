// What can be asked for, as typed values. Made by api/ from JSON; nothing here knows of HTTP.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "handoff/identity.hpp"
#include "sysfs/driver_name.hpp"
#include "sysfs/pci_address.hpp"

namespace devbindd::handoff {

enum class ChangeKind { Bind, Unbind, Restore, SetOverride, ClearOverride, AddId, RemoveId };
enum class Scope { Device, Group };
enum class Method { DriverOverride, NewId };

struct ChangeRequest {
  ChangeKind kind = ChangeKind::Bind;
  std::optional<sysfs::PciAddress> address;  ///< every kind but AddId and RemoveId
  std::optional<sysfs::DriverName> driver;   ///< Bind, SetOverride, AddId, RemoveId
  std::optional<Scope> scope;                ///< Bind, Unbind: one device unless said; Restore: as it was bound
  Method method = Method::DriverOverride;    ///< Bind
  std::string id;                            ///< AddId, RemoveId: "8086 10d3"
  std::vector<std::string> accept_risks;     ///< evidence codes
  Identity expect = {};                      ///< of the device at `address`
};

/// Who asked, for the operation's record.
struct Requester {
  std::string transport;  ///< "unix" or "tcp"
  std::optional<unsigned> uid;
  std::optional<int> pid;
  std::optional<std::string> local_address = {};  ///< where a TCP caller reached the daemon
};

std::string_view name_of(ChangeKind kind);
std::string_view name_of(Scope scope);
std::string_view name_of(Method method);

}  // namespace devbindd::handoff

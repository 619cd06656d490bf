// SPDX-License-Identifier: Apache-2.0
// What can be asked for, as typed values. Made by api/ from JSON; nothing here knows of HTTP.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "handoff/model/asker.hpp"
#include "handoff/model/identity.hpp"
#include "sysfs/kernel/driver_name.hpp"
#include "sysfs/kernel/pci_address.hpp"

namespace devbindd::handoff {

enum class ChangeKind { Bind, Unbind, Restore, SetOverride, ClearOverride, AddId, RemoveId, Transaction, SetVfs };
enum class Scope { Device, Group };
enum class Method { DriverOverride, NewId };

/// How a device was, for a give-back that does not go by the engine's own record.
struct EarlierBinding {
  std::optional<std::string> driver;
  std::optional<std::string> driver_override;
  std::optional<std::string> vf_settings = {};  ///< of a VF; nullopt: whatever they are

  bool operator==(const EarlierBinding&) const = default;
};

/// What is to hold of the virtual functions of a PF.
struct VirtualFunctions {
  unsigned count = 0;
  /// True: the kernel gives new VFs a driver or not, as sriov_drivers_autoprobe says; false: all get the request's
  /// `driver`, or none without one.
  bool kernel_chooses = true;
  std::optional<bool> autoprobe = {};  ///< afterwards; nullopt: as it is
  std::string vf_token = {};           ///< a UUID that a PF on vfio-pci gets for them, "" for none
  std::map<sysfs::PciAddress, EarlierBinding> earlier = {};  ///< to bring back, instead of `driver` (recovery)

  bool operator==(const VirtualFunctions&) const = default;
};

struct ChangeRequest {
  ChangeKind kind = ChangeKind::Bind;
  std::optional<sysfs::PciAddress> address;        ///< every kind but AddId, RemoveId and Transaction
  std::optional<sysfs::DriverName> driver;         ///< Bind, SetOverride, AddId, RemoveId; SetVfs: of the VFs
  std::optional<Scope> scope;                      ///< Bind, Unbind: one device unless said; Restore: as it was bound
  Method method = Method::DriverOverride;          ///< Bind
  std::string id;                                  ///< AddId, RemoveId: "8086 10d3"
  std::vector<std::string> accept_risks;           ///< evidence codes
  Identity expect = {};                            ///< of the device at `address`
  std::vector<ChangeRequest> items = {};           ///< Transaction: Bind, Unbind, Restore; all or nothing
  std::optional<EarlierBinding> earlier = {};      ///< Restore: to this, and not to what devbindd first found
  std::optional<VirtualFunctions> functions = {};  ///< SetVfs
  bool after_grace = false;                        ///< of a claim's end: an open device is no reason to wait any longer
  std::string claim = {};                          ///< id of the claim that it is made for, "" for none
  /// Engine::change_mark() of the device at `address` that must still hold when the change is accepted.
  std::optional<std::uint64_t> unless_changed_since = {};
  bool ends_claim = false;  ///< of a claim's end, which was accepted: nobody else asks for it
};

/// How many items a transaction may have.
constexpr std::size_t max_items = 64;

/// The connection that a request came over, and what is to be done when it ends, by the claim that lasts as long.
struct Connection {
  std::map<std::string, std::function<void()>> on_close = {};
  /// Whether its other end has closed it while it waits for an answer. Asks the kernel.
  std::function<bool()> has_left = {};
};

struct Permission;

/// Who asked, for the operation's record.
struct Requester {
  std::string transport;  ///< "unix", "tcp" or "tls"
  std::optional<unsigned> uid;
  std::optional<int> pid;
  std::optional<std::string> local_address = {};      ///< where a TCP or TLS caller reached the daemon
  std::weak_ptr<Connection> connection = {};          ///< while it lasts
  bool may_change = false;                            ///< and not only ask
  std::string token = {};                             ///< name of the bearer token that he came with, "" for none
  std::string certificate = {};                       ///< a name of the one that he has shown by TLS, "" for none
  std::shared_ptr<const Permission> permission = {};  ///< null: devbindd itself, for what it has accepted already
  /// The trace that the request belongs to, as W3C Trace Context 3.2 has it; "" for none.
  std::string traceparent = {};
};

/// Whether both are one and the same user, or the bearer of one and the same token or certificate.
bool same_user(const Requester& one, const Requester& other);

/// Whose turn it is at the workers: every user is one, every token and certificate, and all other TCP callers together,
/// since nobody names them.
Asker asker_of(const Requester& requester);

/// Whether it may take a device from its driver: Bind, Unbind, Restore, SetVfs.
bool changes_binding(const ChangeRequest& request);

/// Whether it changes what a driver takes by itself, and no device of its own: AddId, RemoveId.
inline bool is_id_change(ChangeKind kind) { return kind == ChangeKind::AddId || kind == ChangeKind::RemoveId; }

std::string_view name_of(ChangeKind kind);
std::string_view name_of(Scope scope);
std::string_view name_of(Method method);

}  // namespace devbindd::handoff

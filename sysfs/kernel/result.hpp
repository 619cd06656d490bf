// SPDX-License-Identifier: Apache-2.0
// What every fallible function of devbindd returns: a value, or an Error with a stable code,
// a sentence for a person, the errno and where it came from.
// Not here: HTTP statuses (api/http/problem.cpp maps codes to them), logging.
#pragma once

#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace devbindd::sysfs {

/// Stable causes. Each has one name on the wire (see name_of) and one HTTP status (api/http/problem.cpp).
enum class ErrorCode {
  InvalidAddress,       ///< not `dddd:bb:dd.f`
  InvalidName,          ///< not a kernel driver name
  DeviceNotFound,       ///< no PCI device at that address
  GroupNotFound,        ///< no IOMMU group of that number
  DriverNotFound,       ///< no PCI driver of that name is registered
  OperationNotFound,    ///< no operation with that id
  ModuleNotFound,       ///< no such module for the running kernel
  ModuleBlacklisted,    ///< the module exists but modprobe.d forbids it
  ModuleLoadFailed,     ///< the module did not load, or registered no PCI driver of the wanted name
  Refused,              ///< the verdict says no; the evidence is listed
  OperationInProgress,  ///< another operation works on the device or its group
  PreconditionFailed,   ///< it has changed since the version that the caller has seen
  IdentityMismatch,     ///< another device sits at the address than the caller expects
  ConflictingItems,     ///< two items of a transaction would change the same device
  ClaimNotFound,        ///< no claim with that id
  ClaimNotActive,       ///< the claim is in a state in which this cannot be done
  ClaimInUse,           ///< a device of the claim is still open
  NotEnoughDevices,     ///< fewer devices than wanted fit a selector and are free
  OwnerNotFound,        ///< no such user, group or process on this host
  LimitNotRaised,       ///< of a consumer's process
  KeyReused,            ///< the idempotency key came with another request before
  NothingToRestore,     ///< devbindd did not bind this device, so it knows no earlier state
  NodeNotFound,         ///< no node of VFIO leads to the device, or not in the wanted way
  NotVfioBound,         ///< a probe needs a device that is bound to a VFIO driver
  DeviceOpen,           ///< somebody has the device or its group open
  GroupNotViable,       ///< a member of the group keeps VFIO from using it
  BindFailed,           ///< the kernel refused or failed a step; the earlier state is back
  RestoreFailed,        ///< a step failed and so did (part of) its undo: the kernel shows another state than before
  RestoreUnknown,       ///< a step failed, and what its undo has brought back could not be looked at
  Interrupted,          ///< the daemon ended before the operation did
  DeviceGone,           ///< the device vanished while it was worked on
  TooBusy,              ///< a limit on workers, operations or connections is reached
  ShuttingDown,         ///< the daemon is stopping
  ReadOnly,             ///< the daemon runs with --read-only
  DeviceForbidden,      ///< the caller's role does not cover a device
  DriverForbidden,      ///< it does not cover the driver
  RiskForbidden,        ///< it may not accept the risk
  OwnerForbidden,       ///< it may not make claims for others
  RoleLimit,            ///< it has as many devices or claims as it may
  JournalFailed,        ///< the state directory could not be written
  Overdue,              ///< a read did not finish within its deadline; the worker is still in the kernel
  Kernel,               ///< a system call failed; errno says how
};

/// The name of `code` on the wire, for instance "device_not_found". Never changes once released.
std::string_view name_of(ErrorCode code);
/// Its inverse; nullopt for another name.
std::optional<ErrorCode> error_code_named(std::string_view name);

/// The error of a fallible function.
struct Error {
  ErrorCode code = ErrorCode::Kernel;
  std::string message;    ///< one sentence for a person
  int errno_value = 0;    ///< 0: no system call failed
  std::string path = {};  ///< the file or node it happened on, when there is one
};

template <class T = void>
using Result = std::expected<T, Error>;

inline std::unexpected<Error> fail(ErrorCode code, std::string message, int errno_value = 0, std::string path = {}) {
  return std::unexpected(Error{code, std::move(message), errno_value, std::move(path)});
}

/// "EBUSY" for 16; "errno 9999" where libc knows no name.
std::string errno_name(int errno_value);
/// Its inverse; 0 for a name that is none.
int errno_named(std::string_view name);

/// The system's sentence for an errno ("Device or resource busy"), thread-safe.
std::string errno_text(int errno_value);

}  // namespace devbindd::sysfs

// SPDX-License-Identifier: Apache-2.0
#include "sysfs/kernel/result.hpp"

#include <charconv>
#include <cstring>

namespace devbindd::sysfs {

std::string_view name_of(ErrorCode code) {
  switch (code) {
    case ErrorCode::InvalidAddress: return "invalid_address";
    case ErrorCode::InvalidName: return "invalid_name";
    case ErrorCode::DeviceNotFound: return "device_not_found";
    case ErrorCode::GroupNotFound: return "iommu_group_not_found";
    case ErrorCode::DriverNotFound: return "driver_not_found";
    case ErrorCode::OperationNotFound: return "operation_not_found";
    case ErrorCode::ModuleNotFound: return "module_not_found";
    case ErrorCode::ModuleBlacklisted: return "module_blacklisted";
    case ErrorCode::ModuleLoadFailed: return "module_load_failed";
    case ErrorCode::Refused: return "refused";
    case ErrorCode::OperationInProgress: return "operation_in_progress";
    case ErrorCode::PreconditionFailed: return "precondition_failed";
    case ErrorCode::IdentityMismatch: return "identity_mismatch";
    case ErrorCode::ConflictingItems: return "conflicting_items";
    case ErrorCode::ClaimNotFound: return "claim_not_found";
    case ErrorCode::ClaimNotActive: return "claim_not_active";
    case ErrorCode::ClaimInUse: return "claim_in_use";
    case ErrorCode::NotEnoughDevices: return "not_enough_devices";
    case ErrorCode::OwnerNotFound: return "owner_not_found";
    case ErrorCode::LimitNotRaised: return "limit_not_raised";
    case ErrorCode::KeyReused: return "idempotency_key_reused";
    case ErrorCode::NothingToRestore: return "nothing_to_restore";
    case ErrorCode::NodeNotFound: return "node_not_found";
    case ErrorCode::NotVfioBound: return "not_bound_to_vfio";
    case ErrorCode::DeviceOpen: return "device_open";
    case ErrorCode::GroupNotViable: return "group_not_viable";
    case ErrorCode::BindFailed: return "bind_failed";
    case ErrorCode::RestoreFailed: return "restore_failed";
    case ErrorCode::RestoreUnknown: return "restore_unknown";
    case ErrorCode::Interrupted: return "interrupted";
    case ErrorCode::DeviceGone: return "device_gone";
    case ErrorCode::TooBusy: return "too_busy";
    case ErrorCode::ShuttingDown: return "shutting_down";
    case ErrorCode::ReadOnly: return "read_only";
    case ErrorCode::DeviceForbidden: return "device_forbidden";
    case ErrorCode::DriverForbidden: return "driver_forbidden";
    case ErrorCode::RiskForbidden: return "risk_forbidden";
    case ErrorCode::OwnerForbidden: return "owner_forbidden";
    case ErrorCode::RoleLimit: return "role_limit_reached";
    case ErrorCode::JournalFailed: return "journal_failed";
    case ErrorCode::Overdue: return "overdue";
    case ErrorCode::Kernel: return "kernel_error";
  }
  return "kernel_error";
}

std::optional<ErrorCode> error_code_named(std::string_view name) {
  for (int number = 0; number <= static_cast<int>(ErrorCode::Kernel); ++number) {
    if (name_of(static_cast<ErrorCode>(number)) == name) return static_cast<ErrorCode>(number);
  }
  return std::nullopt;
}

std::string errno_name(int errno_value) {
  const char* name = ::strerrorname_np(errno_value);
  return name != nullptr ? name : "errno " + std::to_string(errno_value);
}

int errno_named(std::string_view name) {
  constexpr int most = 4095;  // MAX_ERRNO of include/linux/err.h
  constexpr std::string_view number = "errno ";
  int value = 0;
  if (name.starts_with(number)) std::from_chars(name.data() + number.size(), name.data() + name.size(), value);
  for (int candidate = 1; value == 0 && candidate <= most; ++candidate) {
    const char* known = ::strerrorname_np(candidate);
    if (known != nullptr && name == known) return candidate;
  }
  return value;
}

std::string errno_text(int errno_value) {
  const char* text = ::strerrordesc_np(errno_value);
  return text != nullptr ? text : "Unknown error " + std::to_string(errno_value);
}

}  // namespace devbindd::sysfs

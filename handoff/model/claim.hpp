// SPDX-License-Identifier: Apache-2.0
// A claim: devices that are handed over to somebody, for how long, and what happens when it ends. Passive; the journal
// keeps it and GET /v1/claims shows it. Not here: how claims are made and ended (claims.hpp).
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "handoff/model/operation.hpp"
#include "handoff/model/request.hpp"
#include "handoff/model/selector.hpp"
#include "sysfs/device/device.hpp"
#include "vfio/node_access.hpp"

namespace devbindd::handoff {

enum class ClaimState {
  Preparing,    ///< its devices are being bound
  Active,       ///< they are on their VFIO driver, and the owner may use their nodes
  Releasing,    ///< they are being given back, or still open: then it waits
  Quarantined,  ///< a device did not answer after the release: nobody gets it until that is acknowledged
  Lost,         ///< the host was restarted: nothing of it is left but this record
  Released,
};

/// Whether a claim in one state may come into the other. What ends (Lost, Released) stays so.
bool may_become(ClaimState from, ClaimState to);

/// Who may use the nodes, as asked for: by name or by number.
struct NodeOwner {
  std::vector<std::string> users = {};
  std::vector<std::string> groups = {};
  std::vector<unsigned> uids = {};
  std::vector<unsigned> gids = {};
};

/// Whether the devices are reset at the end, when nobody has them open any longer. VFIO itself resets a device at its
/// last close, where it can, and tells nobody when it could not (drivers/vfio/pci/vfio_pci_core.c,
/// vfio_pci_core_disable).
enum class ReleaseReset {
  Auto,      ///< each that the kernel can reset alone; one whose reset fails is not given back
  Required,  ///< a device that cannot be reset is not taken, and not given back either
  None,
};

/// What came of it.
enum class ResetOutcome {
  Done,
  Unavailable,  ///< no method of the kernel's works for this device
  Failed,
};

struct ClaimRequest {
  std::vector<sysfs::PciAddress> devices = {};  ///< either these, or a selector
  std::optional<Selector> selector = {};
  std::optional<sysfs::DriverName> driver = {};  ///< nullopt: the best VFIO driver for each
  NodeOwner owner = {};
  std::optional<std::chrono::seconds> ttl = {};  ///< without a renewal it ends after this
  std::optional<std::int32_t> pid = {};          ///< it ends with this process
  bool while_connected = false;                  ///< it ends with the connection that made it
  /// From the beginning of its end on an open device is waited for so long; then the kernel is asked to take it, which
  /// asks the consumer to let go. nullopt: for ever.
  std::optional<std::chrono::seconds> grace = {};
  ReleaseReset reset = ReleaseReset::Auto;
  bool restore = true;  ///< false: at the end the devices stay where they are
  Labels labels = {};
  std::string vf_token = {};  ///< a UUID that its virtual functions' PF wants of who opens them; "" for none. A secret.
  std::vector<std::string> accept_risks = {};
  std::string idempotency_key = {};
};

/// What the kernel last said of its own recovery of a device, or of the link above it, from an error (AER, DPC, EEH).
enum class ErrorRecovery {
  Begun,      ///< it is stopped, and being reset
  Succeeded,  ///< it is usable again; what it was doing is lost
  Failed,     ///< the kernel has given it up: its drivers refuse to touch it
};

struct ClaimedDevice {
  sysfs::PciAddress address;
  std::uint16_t vendor = 0;
  std::uint16_t device = 0;
  std::optional<unsigned> iommu_group = {};
  std::string driver = {};                           ///< that it is given
  bool companion = false;                            ///< not asked for: it shares an IOMMU group with one that is
  std::optional<ErrorRecovery> error_recovery = {};  ///< while the claim has it; nullopt: nothing was said
  std::optional<ResetOutcome> reset = {};            ///< at the end; nullopt: it was not tried
  std::optional<std::uint64_t> inode = {};           ///< as sysfs::Device has it; nullopt: of a daemon before this one
};

/// Those of a claim's owners who could use a node before it: they still can after it.
struct EarlierAccess {
  std::string path;
  std::uint64_t inode = 0;  ///< of that node: one that comes anew at the same path is another
  vfio::Grantees grantees = {};
};

struct Claim {
  std::string id;  ///< UUID
  std::string boot_id;
  ClaimState state = ClaimState::Preparing;
  ClaimRequest request;
  Requester requester;
  TimePoint created_at;
  std::optional<TimePoint> expires_at = {};  ///< by the wall clock as it was set then
  /// The same since the boot: what counts, since a clock may be set. nullopt: of a daemon before this one.
  std::optional<std::chrono::milliseconds> expires_uptime = {};
  std::uint64_t fencing_token = 0;  ///< larger than that of every earlier claim
  std::vector<ClaimedDevice> devices = {};
  std::vector<Transition> changed = {};  ///< what its operation changed: the states before are what it gives back
  std::optional<std::chrono::seconds> ttl = {};  ///< as asked for, or as renewed last
  vfio::Grantees grantees = {};                  ///< the owners' numbers, as found
  /// nullopt: not looked at yet, and so no node was opened. Empty for a claim of a daemon that did not look.
  std::optional<std::vector<EarlierAccess>> earlier_access = {};
  std::uint64_t process_start = 0;     ///< of request.pid, in clock ticks since the boot: tells a reused pid
  std::string operation = {};          ///< that bound the devices, "" when they were bound already
  std::string release_operation = {};  ///< that gave them back
  std::string reason = {};             ///< why it is releasing, quarantined, lost or released; a sentence
  std::string cause = {};              ///< of its end; `reason` then tells what it waits for
  std::optional<TimePoint> releasing_since = {};
  /// The same since the boot: what its grace goes by. nullopt: of a daemon before this one.
  std::optional<std::chrono::milliseconds> releasing_uptime = {};
  /// It was active once: its key stands for it, also after its end. One that could not be made may be asked for again.
  bool made = false;
  std::optional<TimePoint> ended_at = {};  ///< nullopt: it has not, or of a daemon before this one
  std::optional<Requester> ended_by = {};  ///< nullopt: nobody asked, or a daemon before this one was asked
  std::vector<vfio::Holder> holders = {};  ///< who keeps it from being released
};

std::string_view name_of(ClaimState state);
std::optional<ClaimState> claim_state_named(std::string_view name);

std::string_view name_of(ErrorRecovery recovery);
std::optional<ErrorRecovery> error_recovery_named(std::string_view name);

std::string_view name_of(ReleaseReset reset);
std::optional<ReleaseReset> release_reset_named(std::string_view name);

std::string_view name_of(ResetOutcome outcome);
std::optional<ResetOutcome> reset_outcome_named(std::string_view name);

/// Whether another card has come to sit where the claimed one was.
bool is_another(const ClaimedDevice& claimed, const sysfs::Device& device);

/// Whether it is there, the very one, and on the claim's driver. `device`: what is at its address, or nullptr.
bool is_as_claimed(const ClaimedDevice& claimed, const sysfs::Device* device);

/// Whether the claim keeps its devices from others.
bool holds_devices(const Claim& claim);

/// How long an idempotency key stands for a claim after its end, and for how many ended ones of one user.
constexpr std::chrono::hours key_lasts{24};
constexpr std::size_t max_keys_each = 4096;

/// Whether its idempotency key still stands for it: it holds devices, or has ended less than key_lasts ago.
bool is_key_known(const Claim& claim);

/// How long the claim lasts if it is not renewed, negative when that is over; nullopt: for ever.
std::optional<std::chrono::milliseconds> time_left(const Claim& claim);

/// Lets it last so long from now on.
void set_time_left(Claim& claim, std::chrono::milliseconds left);

/// Notes that its end begins now, and with it its grace.
void begin_grace(Claim& claim);

/// Whether it is ending, and has waited as long as it was to wait for open devices.
bool is_grace_over(const Claim& claim);

/// Whether the device is one of the claim's, or in the IOMMU group of one.
bool holds(const Claim& claim, const sysfs::Device& device);

}  // namespace devbindd::handoff

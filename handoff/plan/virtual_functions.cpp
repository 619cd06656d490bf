// SPDX-License-Identifier: Apache-2.0
#include "handoff/plan/virtual_functions.hpp"

#include <algorithm>

#include "handoff/plan/verdict.hpp"
#include "sysfs/device/vf_settings.hpp"

namespace devbindd::handoff {
namespace {

using sysfs::PciAddress;

const sysfs::Device& physical_function(const ChangeRequest& request, const Facts& facts) {
  return std::ranges::find_if(facts.members,
                              [&](const MemberFacts& member) { return member.device.address == request.address; })
      ->device;
}

// Empty where the settings give no address for one of them.
std::vector<PciAddress> addresses_of(const PciAddress& physical, const sysfs::Sriov& sriov, unsigned count) {
  std::vector<PciAddress> addresses;
  for (unsigned index = 0; index < count; ++index) {
    const auto address = sysfs::function_address(physical, sriov, index);
    if (!address) return {};
    addresses.push_back(*address);
  }
  return addresses;
}

// What the VF at the address is to have. A kernel driver needs no override to keep its device.
EarlierBinding goal_of(const ChangeRequest& request, const PciAddress& address) {
  if (const auto known = request.functions->earlier.find(address); known != request.functions->earlier.end())
    return known->second;
  if (!request.driver) return {};
  const auto& driver = request.driver->text();
  return {driver, is_userspace_driver(driver) ? std::optional(driver) : std::nullopt};
}

void load_driver(StepBuilder& builder, const Facts& facts, const EarlierBinding& goal) {
  if (goal.driver) builder.load_driver(facts, *goal.driver);
}

void plan_kept(StepBuilder& builder, const ChangeRequest& request, const Facts& facts) {
  struct Change {
    PciAddress address;
    EarlierBinding goal;
  };
  std::vector<Change> changes;
  for (const auto& member : facts.members) {
    const auto& address = member.device.address;
    if (address == request.address) continue;
    const auto goal = goal_of(request, address);
    const auto current = member.device.driver ? std::optional(member.device.driver->text()) : std::nullopt;
    const bool exact = request.functions->earlier.contains(address);
    if (current != goal.driver || (exact && member.driver_override != goal.driver_override))
      changes.push_back({address, goal});
  }
  for (const auto& change : changes) load_driver(builder, facts, change.goal);
  for (const auto& member : facts.members) {
    const auto known = request.functions->earlier.find(member.device.address);
    if (known != request.functions->earlier.end() && known->second.vf_settings && member.vf_settings)
      builder.set_vf_settings(member.device.address, *known->second.vf_settings, true);
  }
  for (const auto& [address, goal] : changes) {
    if (goal.driver && !builder.bound_to(address, *goal.driver)) {
      builder.set_override(address, goal.driver);
      builder.unbind(address);
      builder.bind(address, *goal.driver);
    }
    if (!goal.driver) builder.unbind(address);
    builder.set_override(address, goal.driver_override);
  }
}

// What is to hold of the VF with the index: what held of the one with the same index before.
std::optional<std::string> settings_of(const ChangeRequest& request, const Facts& facts, const sysfs::Device& physical,
                                       std::size_t index, const PciAddress& address) {
  if (const auto known = request.functions->earlier.find(address); known != request.functions->earlier.end())
    return known->second.vf_settings;
  if (index >= physical.virtfns.size()) return std::nullopt;
  const auto before = std::ranges::find_if(
      facts.members, [&](const MemberFacts& member) { return member.device.address == physical.virtfns[index]; });
  return before == facts.members.end() ? std::nullopt : before->vf_settings;
}

bool has_settings(const ChangeRequest& request, const Facts& facts, const std::vector<PciAddress>& addresses) {
  const auto& device = physical_function(request, facts);
  for (std::size_t index = 0; index < addresses.size(); ++index) {
    if (settings_of(request, facts, device, index, addresses[index])) return true;
  }
  return false;
}

void plan_created(StepBuilder& builder, const ChangeRequest& request, const Facts& facts,
                  const std::vector<PciAddress>& addresses) {
  const auto& physical = *request.address;
  const auto& device = physical_function(request, facts);
  // vfio-pci means its VFs for itself. Source: drivers/vfio/pci/vfio_pci_core.c, vfio_pci_bus_notifier.
  const auto implied = sysfs::is_vfio_bound(device) ? std::optional(device.driver->text()) : std::nullopt;
  if (!request.functions->vf_token.empty()) builder.set_vf_token(physical, request.functions->vf_token);
  builder.create_functions(physical, request.functions->count, addresses, implied);
  // Before a driver takes one: it would go on with the MAC address that it finds. On the way back of a recovery they
  // must not cost the VF itself.
  for (std::size_t index = 0; index < addresses.size(); ++index) {
    if (const auto settings = settings_of(request, facts, device, index, addresses[index]))
      builder.set_vf_settings(addresses[index], *settings, !request.functions->earlier.empty());
  }
  for (const auto& address : addresses) {
    if (request.functions->kernel_chooses) {
      builder.leave_to_kernel(address);
    } else {
      const auto goal = goal_of(request, address);
      builder.bind_created(address, goal.driver, goal.driver_override);
    }
  }
}

Evidence about(const ChangeRequest& request, std::string code, std::string detail, std::string next_step) {
  return {.code = std::move(code),
          .severity = Severity::Block,
          .acceptable = false,
          .device = request.address,
          .detail = std::move(detail),
          .next_step = std::move(next_step)};
}

// A token is set by opening the PF, which resets it, with all VFs that it has then.
void check_token(const ChangeRequest& request, const Facts& facts, std::vector<Evidence>& evidence) {
  const auto& device = physical_function(request, facts);
  const auto name = sysfs::to_string(device.address);
  const auto count = request.functions->count;
  if (!sysfs::is_vfio_bound(device)) {
    evidence.push_back(about(request, "sriov.vf_token",
                             name + " is not on VFIO: nobody needs a token for its virtual functions.",
                             "Ask without \"vf_token\"."));
  } else if (count == 0 || count == device.virtfns.size()) {
    evidence.push_back(about(request, "sriov.vf_token",
                             "A token is set while virtual functions are made, and none of " + name + " is to be.",
                             "Set their number to 0 first, or ask without \"vf_token\"."));
  }
  const auto member = std::ranges::find_if(
      facts.members, [&device](const MemberFacts& item) { return item.device.address == device.address; });
  if (auto open = open_evidence(device, member->holders)) {
    open->acceptable = false;
    open->detail = name + " is open through VFIO, and whoever has it open sets the token of its virtual functions.";
    open->next_step = "Ask without \"vf_token\", and use the token of that process.";
    evidence.push_back(std::move(*open));
  }
}

// What only the PF's driver knows of its VFs goes with them; those that come back get it again.
void check_settings(const ChangeRequest& request, const Facts& facts, std::vector<Evidence>& evidence) {
  const auto& device = physical_function(request, facts);
  if (!destroys_functions(request, device)) return;
  const auto name = sysfs::to_string(device.address);
  const auto warn = [&](std::string detail, std::string next_step) {
    evidence.push_back({.code = "sriov.settings_lost",
                        .severity = Severity::Warn,
                        .device = request.address,
                        .detail = std::move(detail),
                        .next_step = std::move(next_step)});
  };
  for (const auto& member : facts.members) {
    if (member.device.address == device.address && !member.vf_settings_missing.empty()) {
      warn("MAC addresses, VLANs and other settings that were made for the virtual functions of " + name +
               " through it go with them: " + member.vf_settings_missing + ".",
           "Note them before (ip link show), and set them again (ip link set dev ... vf ...).");
    }
    const auto place = std::ranges::find(device.virtfns, member.device.address);
    const auto index = static_cast<unsigned>(place - device.virtfns.begin());
    if (place == device.virtfns.end() || index < request.functions->count || !member.vf_settings) continue;
    const auto settings = sysfs::vf_settings_from(*member.vf_settings);
    if (!settings || !sysfs::says_something(*settings)) continue;
    warn("Virtual function " + std::to_string(index) + " of " + name +
             " does not come back, and its settings go with it: " + *member.vf_settings + ".",
         "Note them, if they are still needed.");
  }
}

bool wants_vfio(const ChangeRequest& request) {
  return !request.functions->kernel_chooses && request.driver && sysfs::is_vfio_driver(*request.driver);
}

}  // namespace

bool destroys_functions(const ChangeRequest& request, const sysfs::Device& physical) {
  return !physical.virtfns.empty() && physical.virtfns.size() != request.functions->count;
}

std::optional<std::string> wanted_function_driver(const ChangeRequest& request, const MemberFacts& member) {
  if (member.to_vanish) return std::nullopt;
  const auto& device = member.device;
  if (device.address == request.address || request.functions->kernel_chooses)
    return device.driver ? std::optional(device.driver->text()) : std::nullopt;
  return goal_of(request, device.address).driver;
}

void plan_functions(StepBuilder& builder, const ChangeRequest& request, const Facts& facts) {
  if (!facts.sriov || request.functions->count > facts.sriov->total) return;
  const auto& goal = *request.functions;
  const auto& physical = *request.address;
  const auto& device = physical_function(request, facts);
  // Without a driver they are anybody's who comes later: a module that udev loads for them.
  const bool to_none = goal.count > 0 && !goal.kernel_chooses && !request.driver && goal.earlier.empty();
  const bool autoprobe = goal.autoprobe.value_or((facts.sriov->autoprobe || facts.autoprobe_taken) && !to_none);
  const auto addresses = addresses_of(physical, *facts.sriov, goal.count);
  if (addresses.size() != goal.count && !goal.kernel_chooses) return;
  if (device.virtfns.size() == goal.count) {
    if (!goal.kernel_chooses) plan_kept(builder, request, facts);
    return builder.set_autoprobe(physical, autoprobe);
  }
  if (goal.count > 0 && !goal.kernel_chooses) {
    for (const auto& address : addresses) load_driver(builder, facts, goal_of(request, address));
    builder.set_autoprobe(physical, false);
  }
  builder.destroy_functions(physical);
  // The kernel's own choice comes with the VFs; where they are to be told something first, it is asked for afterwards.
  const bool asks = goal.kernel_chooses && autoprobe && has_settings(request, facts, addresses);
  if (goal.kernel_chooses) builder.set_autoprobe(physical, autoprobe && !asks);
  if (goal.count > 0) plan_created(builder, request, facts, addresses);
  builder.set_autoprobe(physical, autoprobe);
  for (std::size_t index = 0; asks && index < addresses.size(); ++index) builder.probe(addresses[index]);
}

std::vector<Evidence> function_evidence(const ChangeRequest& request, const Facts& facts) {
  const auto name = sysfs::to_string(*request.address);
  if (!facts.sriov) {
    return {about(request, "sriov.absent", name + " is no SR-IOV physical function: it cannot have virtual functions.",
                  "Ask for a device whose sriov_totalvfs is not null.")};
  }
  const auto& device = physical_function(request, facts);
  const auto count = request.functions->count;
  std::vector<Evidence> evidence;
  if (count > facts.sriov->total) {
    evidence.push_back(about(request, "sriov.too_many",
                             name + " can have " + std::to_string(facts.sriov->total) + " virtual functions, not " +
                                 std::to_string(count) + ".",
                             "Ask for no more than sriov_totalvfs."));
  } else if (!request.functions->kernel_chooses &&
             addresses_of(*request.address, *facts.sriov, count).size() != count) {
    evidence.push_back(about(request, "sriov.too_many",
                             "The SR-IOV settings of " + name + " give no PCI address for each of " +
                                 std::to_string(count) + " virtual functions.",
                             "Ask for fewer."));
  }
  const bool vfio = sysfs::is_vfio_bound(device);
  if (count != device.virtfns.size() && count > 0 && (!device.driver || (vfio && !facts.vfio_sriov))) {
    evidence.push_back(
        about(request, "sriov.no_driver",
              name + (vfio ? " is bound to " + device.driver->text() +
                                 ", which lets it have virtual functions only with vfio-pci's parameter enable_sriov."
                           : " has no driver, and virtual functions are created by the driver of the physical one."),
              vfio ? "Give the device back to its own driver, or load vfio-pci with enable_sriov=1."
                   : "Bind the device to its own driver first."));
  }
  if (!request.functions->vf_token.empty()) check_token(request, facts, evidence);
  if (count > 0 && wants_vfio(request) && !device.iommu_group) {
    evidence.push_back(about(request, "iommu.absent",
                             name + " has no IOMMU group, and its virtual functions would "
                                    "have none: VFIO could not take them.",
                             "Turn the IOMMU on in the firmware and on the kernel command line (intel_iommu=on or "
                             "amd_iommu=on)."));
    evidence.back().acceptable = facts.no_iommu_mode;
  }
  if (count > 0 && !request.functions->kernel_chooses && request.driver) {
    if (auto item = match_evidence(*request.driver, *request.address, facts.function_modules, facts)) {
      item->detail = "Of the virtual functions: " + item->detail;
      evidence.push_back(std::move(*item));
    }
  }
  const bool to_vfio_pci = count > 0 && wants_vfio(request) && request.driver->text() == "vfio-pci";
  if (to_vfio_pci && !facts.denylist_off && facts.sriov->function_id) {
    if (auto item = denylist_evidence(*request.address, device.vendor, *facts.sriov->function_id)) {
      item->detail = "Of the virtual functions: " + item->detail;
      evidence.push_back(std::move(*item));
    }
  }
  check_settings(request, facts, evidence);
  return evidence;
}

}  // namespace devbindd::handoff

// SPDX-License-Identifier: Apache-2.0
#include "handoff/plan/function_reasons.hpp"

#include <algorithm>

#include "handoff/plan/device_reasons.hpp"
#include "handoff/plan/driver_reasons.hpp"
#include "handoff/plan/open_reasons.hpp"
#include "handoff/plan/virtual_functions.hpp"
#include "sysfs/device/vf_settings.hpp"

namespace devbindd::handoff {
namespace {

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
void check_lost_settings(const ChangeRequest& request, const Facts& facts, std::vector<Evidence>& evidence) {
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

bool are_for_vfio(const ChangeRequest& request) {
  return request.functions->count > 0 && !request.functions->kernel_chooses && request.driver &&
         sysfs::is_vfio_driver(*request.driver);
}

void check_count(const ChangeRequest& request, const Facts& facts, std::vector<Evidence>& evidence) {
  const auto name = sysfs::to_string(*request.address);
  const auto count = request.functions->count;
  if (count > facts.sriov->total) {
    evidence.push_back(about(request, "sriov.too_many",
                             name + " can have " + std::to_string(facts.sriov->total) + " virtual functions, not " +
                                 std::to_string(count) + ".",
                             "Ask for no more than sriov_totalvfs."));
  } else if (!request.functions->kernel_chooses &&
             function_addresses(*request.address, *facts.sriov, count).size() != count) {
    evidence.push_back(about(request, "sriov.too_many",
                             "The SR-IOV settings of " + name + " give no PCI address for each of " +
                                 std::to_string(count) + " virtual functions.",
                             "Ask for fewer."));
  }
}

// Virtual functions are made by the driver of the physical one.
void check_maker(const ChangeRequest& request, const Facts& facts, std::vector<Evidence>& evidence) {
  const auto& device = physical_function(request, facts);
  const auto name = sysfs::to_string(*request.address);
  const auto count = request.functions->count;
  const bool vfio = sysfs::is_vfio_bound(device);
  if (count == device.virtfns.size() || count == 0) return;
  if (device.driver && (!vfio || facts.vfio_sriov)) return;
  evidence.push_back(
      about(request, "sriov.no_driver",
            name + (vfio ? " is bound to " + device.driver->text() +
                               ", which lets it have virtual functions only with vfio-pci's parameter enable_sriov."
                         : " has no driver, and virtual functions are created by the driver of the physical one."),
            vfio ? "Give the device back to its own driver, or load vfio-pci with enable_sriov=1."
                 : "Bind the device to its own driver first."));
}

void check_no_iommu(const ChangeRequest& request, const Facts& facts, std::vector<Evidence>& evidence) {
  if (!are_for_vfio(request) || physical_function(request, facts).iommu_group) return;
  auto item = about(request, "iommu.absent",
                    sysfs::to_string(*request.address) +
                        " has no IOMMU group, and its virtual functions would have none: VFIO could not take them.",
                    step_to_a_group(*request.address, facts.group_time));
  item.acceptable = facts.no_iommu_mode;
  evidence.push_back(std::move(item));
}

// What holds of a device and its driver, here of the virtual functions that are to come.
void check_function_driver(const ChangeRequest& request, const Facts& facts, std::vector<Evidence>& evidence) {
  const auto add = [&evidence](std::optional<Evidence> item) {
    if (!item) return;
    item->detail = "Of the virtual functions: " + item->detail;
    evidence.push_back(std::move(*item));
  };
  if (request.functions->count == 0 || request.functions->kernel_chooses || !request.driver) return;
  add(match_evidence(*request.driver, *request.address, facts.function_modules, facts));
  if (request.driver->text() == "vfio-pci" && !facts.denylist_off && facts.sriov->function_id)
    add(denylist_evidence(*request.address, physical_function(request, facts).vendor, *facts.sriov->function_id));
}

}  // namespace

std::vector<Evidence> function_evidence(const ChangeRequest& request, const Facts& facts) {
  if (!facts.sriov) {
    return {
        about(request, "sriov.absent",
              sysfs::to_string(*request.address) + " is no SR-IOV physical function: it cannot have virtual functions.",
              "Ask for a device whose sriov_totalvfs is not null.")};
  }
  std::vector<Evidence> evidence;
  check_count(request, facts, evidence);
  check_maker(request, facts, evidence);
  if (!request.functions->vf_token.empty()) check_token(request, facts, evidence);
  check_no_iommu(request, facts, evidence);
  check_function_driver(request, facts, evidence);
  check_lost_settings(request, facts, evidence);
  return evidence;
}

}  // namespace devbindd::handoff

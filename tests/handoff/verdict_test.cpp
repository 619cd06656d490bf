// SPDX-License-Identifier: Apache-2.0
// The verdict: each reason when it holds and when it does not, and whether it may be accepted.
#include "handoff/plan/verdict.hpp"

#include <algorithm>
#include <functional>
#include <set>

#include "handoff/plan/device_reasons.hpp"
#include "tests/catch2.hpp"
#include "tests/handoff/facts.hpp"

namespace devbindd::verdict_test {

namespace {

using namespace devbindd;
using namespace devbindd::handoff;
using namespace devbindd::tests;

const std::string card = "0000:05:00.0";

struct Case {
  std::string what;
  ChangeRequest request;
  Facts facts;
  std::string code;  ///< the only one expected; "": none
  Severity severity = Severity::Block;
  bool acceptable = false;
};

MemberFacts changed(MemberFacts member, const std::function<void(MemberFacts&)>& change) {
  change(member);
  return member;
}

Facts with_driver(MemberFacts member, const std::string& name, DriverFacts driver) {
  auto facts = facts_of({std::move(member)});
  facts.drivers[name] = std::move(driver);
  return facts;
}

DriverFacts missing(sysfs::ModuleState state) {
  return {.registered = false, .module = "vfio_pci", .module_state = state};
}

DriverFacts registered() {
  return {.registered = true, .module = "e1000e", .module_state = sysfs::ModuleState::Loaded};
}

MemberFacts opened(MemberFacts member) {
  member.device.enable_count = 1;
  return member;
}

MemberFacts claimed(MemberFacts member) {
  member.claimed_by = "5f0c8e0e-4f0c-4f43-9d0c-0d3c8b6f6a55";
  return member;
}

MemberFacts managed(MemberFacts member, const std::string& tool, const std::string& subject) {
  member.other_tools = {{tool, "/etc/file", subject}};
  return member;
}

MemberFacts held(MemberFacts member) {
  member.holders = {{42, "qemu", "/dev/vfio/1", true}};
  return member;
}

MemberFacts routed(MemberFacts member) {
  member.uses = {{.kind = sysfs::UseKind::DefaultRoute, .path = {"eth0", "bond0"}}};
  return member;
}

MemberFacts used(sysfs::UseKind kind) {
  auto made = member("0000:05:00.0", "e1000e");
  made.uses = {{.kind = kind, .path = {"child"}, .subject = "subject"}};
  return made;
}

MemberFacts without_driver(MemberFacts member) {
  member.device.driver.reset();
  return member;
}

MemberFacts with_vfs(MemberFacts member) {
  member.device.virtfns = {at("0000:05:10.0")};
  return member;
}

MemberFacts cordoned(MemberFacts member) {
  member.cordoned = "to be replaced";
  return member;
}

ChangeRequest with_token(ChangeRequest request) {
  request.functions->vf_token = "3f8e1c52-9d0b-4b7e-a0a6-1c2d3e4f5a6b";
  return request;
}

ChangeRequest claiming(ChangeRequest request) {
  request.claim = "5f0c8e0e-4f0c-4f43-9d0c-0d3c8b6f6a55";
  return request;
}

MemberFacts with_open_vf(MemberFacts member) {
  member = with_vfs(std::move(member));
  member.open_vfs = {{at("0000:05:10.0"), {{42, "qemu", "/dev/vfio/1", true}}}};
  return member;
}

MemberFacts of_class(MemberFacts member, std::uint32_t class_code) {
  member.device.class_code = class_code;
  return member;
}

MemberFacts ungrouped(MemberFacts member) {
  member.device.iommu_group.reset();
  return member;
}

Facts with_sriov(
    MemberFacts member, const std::function<void(Facts&)>& change = [](Facts&) {}) {
  member.device.sriov_totalvfs = 8;
  auto facts = facts_of({std::move(member)});
  facts.sriov = sysfs::Sriov{.total = 8, .offset = 0x80, .stride = 2, .autoprobe = true};
  change(facts);
  return facts;
}

MemberFacts bridge() {
  auto made = member(card, "pcieport");
  made.device.class_code = 0x060400;
  return made;
}

MemberFacts without_group(const char* driver) {
  auto made = member(card, driver);
  made.device.iommu_group.reset();
  return made;
}

Facts registered(MemberFacts member) {
  auto facts = facts_of({std::move(member)});
  facts.drivers["e1000e"] = {.registered = true, .module = "e1000e"};
  return facts;
}

MemberFacts matching(const char* driver, std::vector<std::string> modules) {
  auto made = member(card, driver);
  made.candidate_modules = std::move(modules);
  return made;
}

Facts with_groups(sysfs::GroupTime time, MemberFacts member) {
  auto facts = facts_of({std::move(member)});
  facts.group_time = time;
  return facts;
}

Facts no_iommu_mode(Facts facts) {
  facts.no_iommu_mode = true;
  return facts;
}

// The card has a storage driver, and an NVMe disk at `path` is in its group.
Facts with_disk_at(const std::string& path) {
  auto facts = facts_of({member(card, "vmd")});
  facts.members[0].device.sysfs_path = "/sys/devices/pci0000:00/0000:00:0e.0";
  facts.bystanders.push_back(device("10000:01:00.0", "nvme", 0x010802));
  facts.bystanders[0].sysfs_path = path;
  return facts;
}

Facts beside(const char* driver) {
  auto facts = facts_of({member(card, "e1000e")});
  facts.bystanders = {device("0000:05:00.1", driver)};
  return facts;
}

Facts capturing(Facts facts, std::size_t count) {
  for (std::size_t index = 0; index < count; ++index)
    facts.id_captures.push_back({0, 0x20, static_cast<std::uint8_t>(index), 0});
  return facts;
}

Facts denylist_off(Facts facts) {
  facts.denylist_off = true;
  return facts;
}

const auto restore = request_of(ChangeKind::Restore, card);
const auto for_claim = [] {
  auto request = bind_request(card);
  request.claim = "5f0c8e0e-4f0c-4f43-9d0c-0d3c8b6f6a55";
  return request;
}();
const auto remove_driver = request_of(ChangeKind::Unbind, card);
const auto to_vfio = bind_request(card);
const auto to_native = bind_request(card, "e1000e");
const auto clear_override = request_of(ChangeKind::ClearOverride, card);

std::vector<Case> cases() {
  constexpr auto warn = Severity::Warn;
  constexpr auto block = Severity::Block;
  return {
      {"nothing wrong", to_vfio, facts_of({member(card, "e1000e")}), ""},

      {"stuck", to_vfio, facts_of({changed(member(card, "e1000e"), [](auto& m) { m.override_known = false; })}),
       "device.stuck"},
      {"stuck, override", clear_override, facts_of({changed(member(card), [](auto& m) { m.override_known = false; })}),
       "device.stuck"},

      {"bridge", to_vfio, facts_of({bridge()}), "device.bridge"},
      {"bridge, unbind", remove_driver, facts_of({bridge()}), "device.bridge", block, true},
      {"bridge, give-back", restore, facts_of({given(bridge(), "shpchp")}), ""},
      {"bridge of the group, not asked for", bind_request("0000:05:00.1", "vfio-pci", Scope::Group),
       facts_of({bridge()}), ""},
      {"bridge, override only", clear_override, facts_of({bridge()}), ""},

      {"default route", to_vfio, facts_of({routed(member(card, "e1000e"))}), "net.default_route", block, true},
      {"default route, unbind", remove_driver, facts_of({routed(member(card, "e1000e"))}), "net.default_route", block,
       true},
      {"default route, driver stays", to_native, facts_of({routed(member(card, "e1000e"))}), ""},
      {"default route, override only", clear_override, facts_of({routed(member(card, "e1000e"))}), ""},
      {"mapped, no driver", to_vfio, facts_of({without_driver(used(sysfs::UseKind::Mapped))}), "device.mapped", block,
       true},
      {"mapped, no driver, stays so", remove_driver, facts_of({without_driver(used(sysfs::UseKind::Mapped))}), ""},
      {"mapped, no driver, nothing to give back", restore, facts_of({without_driver(used(sysfs::UseKind::Mapped))}),
       ""},

      {"use: net.address", to_vfio, facts_of({used(sysfs::UseKind::Address)}), "net.address", block, true},
      {"use: net.route", to_vfio, facts_of({used(sysfs::UseKind::Route)}), "net.route", block, true},
      {"use: net.session", to_vfio, facts_of({used(sysfs::UseKind::Session)}), "net.session", block, true},
      {"use: net.xdp", to_vfio, facts_of({used(sysfs::UseKind::Xdp)}), "net.xdp", block, true},
      {"use: net.stacked", to_vfio, facts_of({used(sysfs::UseKind::Stacked)}), "net.stacked", warn, true},
      {"use: net.next_hop", to_vfio, facts_of({used(sysfs::UseKind::NextHop)}), "net.next_hop", warn, true},
      {"use: net.traffic_control", to_vfio, facts_of({used(sysfs::UseKind::TrafficControl)}), "net.traffic_control",
       warn, true},
      {"use: net.packet_socket", to_vfio, facts_of({used(sysfs::UseKind::PacketSocket)}), "net.packet_socket", warn,
       true},
      {"use: net.carrier", to_vfio, facts_of({used(sysfs::UseKind::Carrier)}), "net.carrier", warn, true},
      {"use: net.master", to_vfio, facts_of({used(sysfs::UseKind::Master)}), "net.master", block, true},
      {"use: net.other_namespace", to_vfio, facts_of({used(sysfs::UseKind::OtherNamespace)}), "net.other_namespace",
       block, true},
      {"use: net.api_client", to_vfio, facts_of({used(sysfs::UseKind::ApiClient)}), "net.api_client", block, true},
      {"use: block.mounted", to_vfio, facts_of({used(sysfs::UseKind::Mounted)}), "block.mounted", block, false},
      {"use: block.swap", to_vfio, facts_of({used(sysfs::UseKind::Swap)}), "block.swap", block, false},
      {"use: block.holder", to_vfio, facts_of({used(sysfs::UseKind::Holder)}), "block.holder", block, true},
      {"use: block.open", to_vfio, facts_of({used(sysfs::UseKind::BlockOpen)}), "block.open", block, true},
      {"use: block.signature", to_vfio, facts_of({used(sysfs::UseKind::Signature)}), "block.signature", warn, true},
      {"use: display.boot_vga", to_vfio, facts_of({used(sysfs::UseKind::BootVga)}), "display.boot_vga", warn, true},
      {"use: display.framebuffer", to_vfio, facts_of({used(sysfs::UseKind::Framebuffer)}), "display.framebuffer", block,
       true},
      {"use: display.open", to_vfio, facts_of({used(sysfs::UseKind::DisplayOpen)}), "display.open", block, true},
      {"use: compute.open", to_vfio, facts_of({used(sysfs::UseKind::ComputeOpen)}), "compute.open", block, true},
      {"use: rdma.open", to_vfio, facts_of({used(sysfs::UseKind::RdmaOpen)}), "rdma.open", block, true},
      {"use: sound.open", to_vfio, facts_of({used(sysfs::UseKind::SoundOpen)}), "sound.open", warn, true},
      {"use: usb.in_use", to_vfio, facts_of({used(sysfs::UseKind::UsbInUse)}), "usb.in_use", block, true},
      {"use: block.served", to_vfio, facts_of({used(sysfs::UseKind::Served)}), "block.served", block, false},
      {"use: fs.mounted", to_vfio, facts_of({used(sysfs::UseKind::ShareMounted)}), "fs.mounted", block, false},
      {"use: fs.share", to_vfio, facts_of({used(sysfs::UseKind::ShareBound)}), "fs.share", block, true},
      {"use: char.open", to_vfio, facts_of({used(sysfs::UseKind::CharacterOpen)}), "char.open", block, true},
      {"use: device.mapped", to_vfio, facts_of({used(sysfs::UseKind::Mapped)}), "device.mapped", block, true},
      {"use: console.active", to_vfio, facts_of({used(sysfs::UseKind::Console)}), "console.active", block, true},
      {"use: device.children", to_vfio, facts_of({used(sysfs::UseKind::Child)}), "device.children", block, true},
      {"use: kernel.in_use", to_vfio, facts_of({used(sysfs::UseKind::KernelUse)}), "kernel.in_use", block, true},
      {"use: kernel.may_use", to_vfio, facts_of({used(sysfs::UseKind::KernelMayUse)}), "kernel.may_use", warn, true},
      {"use: firmware.memory", to_vfio, facts_of({used(sysfs::UseKind::Firmware)}), "firmware.memory", warn, true},
      {"use unknown", to_vfio, facts_of({changed(member(card, "e1000e"), [](auto& m) { m.uses_known = false; })}),
       "usage.unknown", block, true},
      {"use unknown, driver stays", to_native,
       facts_of({changed(member(card, "e1000e"), [](auto& m) { m.uses_known = false; })}), ""},

      {"a VF open", remove_driver,
       facts_of({changed(member(card, "igb"),
                         [](auto& m) {
                           m.open_vfs = {{at("0000:05:10.0"), {}}};
                         })}),
       "sriov.vf_in_use", block, false},
      {"a VF open, driver stays", clear_override,
       facts_of({changed(member(card, "igb"),
                         [](auto& m) {
                           m.open_vfs = {{at("0000:05:10.0"), {}}};
                         })}),
       ""},

      {"on the denylist", to_vfio, facts_of({changed(member(card), [](auto& m) { m.device.device = 0x37c8; })}),
       "device.denylisted", block, false},
      {"on the denylist, which is off", to_vfio,
       denylist_off(facts_of({changed(member(card), [](auto& m) { m.device.device = 0x37c8; })})), ""},
      {"on the denylist, variant driver", bind_request(card, "qat_vfio_pci"),
       facts_of({changed(member(card), [](auto& m) { m.device.device = 0x37c8; })}), ""},

      {"open", restore, facts_of({opened(given(member(card, "vfio-pci"), "e1000e"))}), "vfio.open", block, true},
      {"held by a claim", to_vfio, facts_of({claimed(member(card, "vfio-pci"))}), "claim.held", block, false},
      {"a claim's own binding", for_claim, facts_of({member(card, "vfio-pci")}), "", block, false},
      {"a claim's binding of one that is open", for_claim, facts_of({opened(member(card, "vfio-pci"))}), "vfio.open",
       block, false},
      {"open, only a holder", remove_driver, facts_of({held(member(card, "vfio-pci"))}), "vfio.open", block, true},
      {"open, stays bound", to_vfio, facts_of({opened(member(card, "vfio-pci"))}), ""},
      {"enabled by a kernel driver", to_vfio, facts_of({opened(member(card, "e1000e"))}), ""},
      {"idle", remove_driver, facts_of({changed(member(card, "vfio-pci"), [](auto& m) { m.device.enable_count = 0; })}),
       ""},
      {"open, nothing to give back", restore, facts_of({opened(member(card, "vfio-pci"))}), ""},

      {"VFs, to VFIO", to_vfio, facts_of({with_vfs(member(card, "igb"))}), "sriov.vfs_enabled", block, false},
      {"VFs, unbind", remove_driver, facts_of({with_vfs(member(card, "igb"))}), "sriov.vfs_enabled", block, true},
      {"VFs, driver stays", clear_override, facts_of({with_vfs(member(card, "igb"))}), ""},

      {"no group", to_vfio, facts_of({without_group("e1000e")}), "iommu.absent", block, false},
      {"no group, no-IOMMU mode", to_vfio, no_iommu_mode(facts_of({without_group("e1000e")})), "iommu.absent", block,
       true},
      {"no group, behind no IOMMU", to_vfio, with_groups(sysfs::GroupTime::AtFirstDriver, without_group("e1000e")),
       "iommu.absent", block, false},
      {"no group yet", to_vfio, with_groups(sysfs::GroupTime::AtFirstDriver, without_group(nullptr)),
       "iommu.group_later", Severity::Warn, false},
      {"no group yet, no IOMMU", to_vfio, with_groups(sysfs::GroupTime::Never, without_group(nullptr)), "iommu.absent",
       block, false},
      {"no group yet, an IOMMU that knows all", to_vfio,
       with_groups(sysfs::GroupTime::WhenFound, without_group(nullptr)), "iommu.absent", block, false},
      {"no group, kernel driver", to_native, facts_of({matching(nullptr, {"e1000e"})}), ""},
      {"no group, unbind", remove_driver, facts_of({without_group("e1000e")}), ""},

      {"driver unknown", to_vfio, with_driver(member(card), "vfio-pci", missing(sysfs::ModuleState::Unknown)),
       "driver.absent"},
      {"module loaded without driver", to_vfio,
       with_driver(member(card), "vfio-pci", missing(sysfs::ModuleState::Loaded)), "driver.absent"},
      {"module built in without driver", to_vfio,
       with_driver(member(card), "vfio-pci", missing(sysfs::ModuleState::BuiltIn)), "driver.absent"},
      {"module blacklisted", to_vfio, with_driver(member(card), "vfio-pci", missing(sysfs::ModuleState::Blacklisted)),
       "driver.blacklisted"},
      {"module loadable", to_vfio, with_driver(member(card), "vfio-pci", missing(sysfs::ModuleState::Loadable)), ""},
      {"driver registered", to_vfio, with_driver(member(card), "vfio-pci", {.registered = true, .module = {}}), ""},
      {"driver of before gone", restore,
       with_driver(given(member(card, "vfio-pci"), "e1000e"), "e1000e", missing(sysfs::ModuleState::Unknown)),
       "driver.absent"},
      {"driver of an ID unknown", id_request(ChangeKind::AddId, "vfio-pci", "8086 10d3"),
       with_driver(member(card), "vfio-pci", missing(sysfs::ModuleState::Unknown)), "driver.absent"},

      {"no match", to_native, registered(member(card)), "driver.no_match", block, true},
      {"no match, others do", to_native, registered(matching(nullptr, {"igb"})), "driver.no_match", block, true},
      {"no match, loadable", to_native, with_driver(member(card), "e1000e", missing(sysfs::ModuleState::Loadable)),
       "driver.no_match", block, true},
      {"no match, no such driver either", to_native,
       with_driver(member(card), "e1000e", missing(sysfs::ModuleState::Unknown)), "driver.absent"},
      {"match", to_native, registered(matching(nullptr, {"igb", "e1000e"})), ""},
      {"no match, bound now", to_native, registered(member(card, "e1000e")), ""},
      {"no match, bound before", to_native, registered(given(member(card, "vfio-pci"), "e1000e")), ""},
      {"no match, pci-stub", bind_request(card, "pci-stub"), facts_of({member(card)}), ""},
      {"no match, uio", bind_request(card, "uio_pci_generic"), facts_of({member(card)}), ""},
      {"no match, variant driver", bind_request(card, "mlx5_vfio_pci"), facts_of({member(card)}), ""},

      {"new_id captures", new_id_request(card), capturing(facts_of({member(card)}), 1), "driver.id_captures", block,
       true},
      {"new_id captures nothing", new_id_request(card), facts_of({member(card)}), ""},
      {"override captures nothing", to_vfio, capturing(facts_of({member(card)}), 1), ""},
      {"bare ID captures one", id_request(ChangeKind::AddId, "vfio-pci", "8086 10d3"), capturing({}, 1), ""},
      {"bare ID captures two", id_request(ChangeKind::AddId, "vfio-pci", "8086 10d3"), capturing({}, 2),
       "driver.id_captures", block, true},
      {"removing an ID captures nothing", id_request(ChangeKind::RemoveId, "vfio-pci", "8086 10d3"), capturing({}, 2),
       ""},

      {"sibling on a kernel driver", to_vfio, beside("e1000e"), "group.not_viable", warn, false},
      {"sibling on UIO", to_vfio, beside("uio_pci_generic"), "group.not_viable", warn, false},
      {"sibling on VFIO", to_vfio, beside("vfio-pci"), ""},
      {"sibling without driver", to_vfio, beside(nullptr), ""},
      {"sibling below it, which goes with its driver", to_vfio,
       with_disk_at("/sys/devices/pci0000:00/0000:00:0e.0/pci10000:00/10000:01:00.0"), ""},
      {"sibling below another function", to_vfio,
       with_disk_at("/sys/devices/pci0000:00/0000:00:0e.01/pci10000:00/10000:01:00.0"), "group.not_viable", warn,
       false},
      {"sibling, kernel driver wanted", to_native, beside("igb"), ""},

      {"driverctl sets another driver", to_vfio, facts_of({managed(member(card), "driverctl", "igb")}),
       "tool.driverctl", warn, false},
      {"driverctl keeps drivers away", request_of(ChangeKind::Unbind, card),
       facts_of({managed(member(card, "e1000e"), "driverctl", "none")}), ""},
      {"driverctl sets the same driver", to_vfio, facts_of({managed(member(card), "driverctl", "vfio-pci")}), ""},
      {"driverctl, nothing to change", to_vfio, facts_of({managed(member(card, "vfio-pci"), "driverctl", "igb")}), ""},
      {"VFs of a device without SR-IOV", functions_request(card, 1), facts_of({member(card, "igb")}), "sriov.absent",
       block, false},
      {"VFs within reach", functions_request(card, 8), with_sriov(member(card, "igb")), ""},
      {"too many VFs", functions_request(card, 9), with_sriov(member(card, "igb")), "sriov.too_many", block, false},
      {"VFs of a PF without driver", functions_request(card, 1), with_sriov(member(card)), "sriov.no_driver", block,
       false},
      {"VFs of a PF on VFIO", functions_request(card, 1), with_sriov(member(card, "vfio-pci")), "sriov.no_driver",
       block, false},
      {"VFs of a PF on VFIO that allows them", functions_request(card, 1),
       with_sriov(member(card, "vfio-pci"), [](Facts& facts) { facts.vfio_sriov = true; }), ""},
      {"no VFs of a PF without driver", functions_request(card, 0), with_sriov(member(card)), ""},
      {"VFs for VFIO without an IOMMU", functions_request(card, 1), with_sriov(ungrouped(member(card, "igb"))),
       "iommu.absent", block, false},
      {"VFs for VFIO in no-IOMMU mode", functions_request(card, 1),
       with_sriov(ungrouped(member(card, "igb")), [](Facts& facts) { facts.no_iommu_mode = true; }), "iommu.absent",
       block, true},
      {"VFs for the kernel without an IOMMU", functions_request(card, 1, ""),
       with_sriov(ungrouped(member(card, "igb"))), ""},
      {"an open VF of a PF that gets more", functions_request(card, 2),
       with_sriov(with_open_vf(of_class(member(card, "nvme"), 0x010802))), "sriov.vf_in_use", block, false},
      {"an open VF of a PF that keeps its number", functions_request(card, 1, ""),
       with_sriov(with_open_vf(member(card, "igb"))), ""},
      {"a claim of a cordoned device", claiming(to_vfio), facts_of({cordoned(member(card))}), "device.cordoned", block,
       false},
      {"a cordoned device is bound", to_vfio, facts_of({cordoned(member(card))}), ""},
      {"a token for VFs of a PF that is not on VFIO", with_token(functions_request(card, 1)),
       with_sriov(member(card, "igb")), "sriov.vf_token", block, false},
      {"a token for VFs of a PF on VFIO", with_token(functions_request(card, 1)),
       with_sriov(member(card, "vfio-pci"), [](Facts& facts) { facts.vfio_sriov = true; }), ""},
      {"a token for VFs that are there", with_token(functions_request(card, 1, "")),
       with_sriov(with_vfs(member(card, "vfio-pci")), [](Facts& facts) { facts.vfio_sriov = true; }), "sriov.vf_token",
       block, false},
      {"a token for VFs of a PF that is open", with_token(functions_request(card, 1)),
       with_sriov(opened(member(card, "vfio-pci")), [](Facts& facts) { facts.vfio_sriov = true; }), "vfio.open", block,
       false},
      {"VFs that vfio-pci refuses", functions_request(card, 1),
       with_sriov(member(card, "c6xx"), [](Facts& facts) { facts.sriov->function_id = 0x37c9; }), "device.denylisted",
       block, false},
      {"VFs that vfio-pci was told to take", functions_request(card, 1),
       with_sriov(member(card, "c6xx"),
                  [](Facts& facts) {
                    facts.sriov->function_id = 0x37c9;
                    facts.denylist_off = true;
                  }),
       ""},
      {"VFs of a NIC go that nobody can ask", functions_request(card, 0, ""),
       with_sriov(with_vfs(member(card, "igb")),
                  [](Facts& facts) { facts.members.front().vf_settings_missing = "no interface"; }),
       "sriov.settings_lost", warn, false},
      {"VFs go that were told nothing", functions_request(card, 0, ""), with_sriov(with_vfs(member(card, "igb"))), ""},
      {"a driver that does not list the VFs", functions_request(card, 1, "e1000e"),
       with_sriov(member(card, "igb"), [](Facts& facts) { facts.drivers["e1000e"] = registered(); }), "driver.no_match",
       block, true},
      {"a driver that lists the VFs", functions_request(card, 1, "e1000e"),
       with_sriov(member(card, "igb"),
                  [](Facts& facts) {
                    facts.drivers["e1000e"] = registered();
                    facts.function_modules = {"e1000e"};
                  }),
       ""},
      {"a libvirt domain has it", to_vfio, facts_of({managed(member(card), "libvirt", "web")}), "tool.libvirt", warn,
       false},
  };
}

}  // namespace

TEST_CASE("Each reason against a change is given when it holds, and only then") {
  for (const auto& row : cases()) {
    INFO(row.what);
    const auto evidence = verdict(row.request, row.facts);
    if (row.code.empty()) {
      CHECK(evidence.empty());
      continue;
    }
    REQUIRE(evidence.size() == 1);
    const auto& item = evidence.front();
    CHECK(item.code == row.code);
    CHECK(item.severity == row.severity);
    CHECK(item.acceptable == row.acceptable);
    CHECK_FALSE(item.detail.empty());
    CHECK_FALSE(item.next_step.empty());
  }
}

TEST_CASE("Every code that can be given is in the list of codes, and every code of the list can be given") {
  std::set<std::string> given_codes{"group.sibling_in_use",            // comes with the sibling's own code: see below
                                    no_reset_evidence(at(card)).code,  // of claims alone: claim_reset_test.cpp
                                    system_evidence(sysfs::Device{}).code,  // of groups: selector_test.cpp
                                    read_only_evidence("/sys").code,        // of what writes alone: see below
                                    "claim.not_enough"};                    // of selectors: claims_test.cpp
  for (const auto& row : cases()) {
    if (!row.code.empty()) given_codes.insert(row.code);
  }
  const std::set<std::string> listed(evidence_codes().begin(), evidence_codes().end());
  CHECK(given_codes == listed);
}

TEST_CASE("A sibling in use blocks by its own code, and is told to be a sibling") {
  auto sibling = used(sysfs::UseKind::Mounted);
  sibling.device.address = at("0000:05:00.1");
  const auto request = bind_request(card, "vfio-pci", Scope::Group);
  const auto evidence = verdict(request, facts_of({member(card, "e1000e"), sibling}));
  REQUIRE(evidence.size() == 2);
  CHECK(evidence[0].code == "block.mounted");
  CHECK(evidence[0].device == at("0000:05:00.1"));
  CHECK(evidence[1].code == "group.sibling_in_use");
  CHECK(evidence[1].severity == Severity::Warn);
  CHECK(evidence[1].path == std::vector<std::string>{"child"});
  CHECK(verdict(request, facts_of({used(sysfs::UseKind::Mounted), member("0000:05:00.1", "e1000e")})).size() == 1);
}

TEST_CASE("A risk is accepted by its code, and only where it may be") {
  for (const auto& row : cases()) {
    if (row.code.empty()) continue;
    INFO(row.what);
    const auto evidence = verdict(row.request, row.facts);
    const bool blocks = row.severity == Severity::Block;
    CHECK(blocking(evidence, {}).empty() == !blocks);
    CHECK(blocking(evidence, {"some.other_code"}).empty() == !blocks);
    CHECK(blocking(evidence, {"some.other_code", row.code}).empty() == (!blocks || row.acceptable));
  }
}

TEST_CASE("Accepting one risk does not accept another") {
  auto facts = facts_of({routed(with_vfs(member(card, "igb")))});
  const auto evidence = verdict(remove_driver, facts);
  CHECK(evidence.size() == 2);
  CHECK(blocking(evidence, {"net.default_route"}).size() == 1);
  CHECK(blocking(evidence, {"net.default_route", "sriov.vfs_enabled"}).empty());
}

TEST_CASE("Every member of a group is judged, and a blocker of the group is named once") {
  auto facts = facts_of({routed(member(card, "e1000e")), routed(member("0000:05:00.1", "e1000e"))});
  facts.bystanders = {device("0000:05:00.2", "igb")};
  const auto evidence = verdict(bind_request(card, "vfio-pci", Scope::Group), facts);
  const auto count = [&evidence](std::string_view code) { return std::ranges::count(evidence, code, &Evidence::code); };
  CHECK(count("net.default_route") == 2);
  CHECK(count("group.not_viable") == 1);
  CHECK(evidence.front().device == at(card));
}

TEST_CASE("Whoever has the device open is named, also when nobody may be seen") {
  const auto seen = verdict(remove_driver, facts_of({held(opened(member(card, "vfio-pci")))}));
  CHECK(seen.front().detail.find("qemu (pid 42)") != std::string::npos);
  CHECK(seen.front().processes.size() == 1);
  const auto hidden = verdict(remove_driver, facts_of({opened(member(card, "vfio-pci"))}));
  CHECK(hidden.front().processes.empty());
  CHECK_FALSE(hidden.front().detail.empty());
}

TEST_CASE("A module that may not be loaded is told with the line that says so, and what helps against that kind") {
  const auto [kind, step] =
      GENERATE(table<sysfs::BanKind, std::string>({{sysfs::BanKind::Blacklist, "by hand (modprobe vfio_pci)"},
                                                   {sysfs::BanKind::InstallCommand, "--ignore-install vfio_pci"}}));
  auto driver = missing(sysfs::ModuleState::Blacklisted);
  driver.bans = {{kind, "the words of the line", "/etc/modprobe.d/a.conf line 3"}};
  const auto found = verdict(bind_request(card, "vfio-pci"), with_driver(member(card), "vfio-pci", driver));
  REQUIRE(found.size() == 1);
  CHECK(found.front().code == "driver.blacklisted");
  CHECK(found.front().detail.ends_with(": the words of the line (/etc/modprobe.d/a.conf line 3)."));
  CHECK(found.front().next_step.find(step) != std::string::npos);
}

TEST_CASE("What would be written to a read-only /sys is refused beforehand, and what writes nothing is not") {
  auto facts = facts_of({member(card, "e1000e")});
  facts.drivers["vfio-pci"] = registered();
  facts.read_only_sysfs = "/sys";
  const auto refused = plan(bind_request(card, "vfio-pci"), facts);
  REQUIRE(refused.evidence.size() == 1);
  CHECK(refused.evidence.front().code == "host.sysfs_read_only");
  CHECK(!refused.evidence.front().acceptable);
  facts.members = {member(card, "vfio-pci")};
  facts.members.front().driver_override = "vfio-pci";
  const auto idle = plan(bind_request(card, "vfio-pci"), facts);
  CHECK(idle.steps.empty());
  CHECK(idle.evidence.empty());
}

}  // namespace devbindd::verdict_test

// SPDX-License-Identifier: Apache-2.0
// Everything about the use of one function put together, what it means, and its way over the worker's wire.
#include "handoff/usage/usage.hpp"

#include <cerrno>

#include "handoff/usage/usage_rules.hpp"
#include "sysfs/use/network_use.hpp"
#include "tests/catch2.hpp"
#include "tests/sysfs/files_tree.hpp"

namespace devbindd::usage_test {

namespace {

using namespace devbindd;
using handoff::Severity;
using sysfs::Use;
using sysfs::UseKind;
using tests::FilesTree;
using Uses = std::vector<Use>;

const sysfs::PciAddress address{0, 1, 0, 0};
const std::string function = "sys/devices/pci0000:00/0000:01:00.0";

void add_function(FilesTree& tree, const std::string& name, const std::string& class_code, const std::string& driver) {
  const auto path = "sys/devices/pci0000:00/" + name;
  tree.add_device(path, "bus/pci", {{"vendor", "0x8086"}, {"device", "0x10d3"}, {"class", class_code}});
  tree.files.add_link("sys/bus/pci/devices/" + name, "../../../devices/pci0000:00/" + name);
  if (!driver.empty()) tree.files.add_link(path + "/driver", "/sys/bus/pci/drivers/" + driver);
}

handoff::UsageSeams quiet(sysfs::NetworkState state = {}) {
  return {.network = [state](const sysfs::Tree&) -> sysfs::Result<sysfs::NetworkState> { return state; },
          .block = {.open_exclusive = [](const std::string&) { return 0; },
                    .signature = [](const std::string&) -> std::optional<std::string> { return std::nullopt; }}};
}

sysfs::NetworkState with_card(const std::string& parent) {
  return {.namespaces = {{.name = "",
                          .interfaces = {{.index = 2,
                                          .name = "eth0",
                                          .up = true,
                                          .parent_device = parent,
                                          .addresses = {{"192.0.2.1/24", false}}}}}}};
}

sysfs::Result<handoff::Usage> look(const FilesTree& tree, const handoff::UsageSeams& seams) {
  return handoff::find_uses(tree, sysfs::read_device(tree, address).value(), seams, std::nullopt);
}

sysfs::Result<Uses> find(const FilesTree& tree, const handoff::UsageSeams& seams) {
  auto usage = look(tree, seams);
  if (!usage) return std::unexpected(usage.error());
  return std::move(usage->uses);
}

handoff::Evidence evidence(const Use& use) { return handoff::evidence_of({use}, address).front(); }

}  // namespace

TEST_CASE("An idle disk is not in use; opened by a process it is") {
  FilesTree tree;
  add_function(tree, "0000:01:00.0", "0x010802", "nvme");
  tree.add_device(function + "/nvme/nvme0", "class/nvme", {{"dev", "242:0"}});
  tree.add_block(function + "/nvme/nvme0/nvme0n1", 259, 0);
  CHECK(find(tree, quiet()).value().empty());
  tree.add_process(31, "dd", {{3, "/dev/nvme0n1"}});
  CHECK(find(tree, quiet()).value() ==
        Uses{{UseKind::BlockOpen, {"nvme0n1"}, "/dev/nvme0n1", {{31, "dd", "/dev/nvme0n1"}}}});
}

TEST_CASE("A graphics card that a session has open") {
  FilesTree tree;
  add_function(tree, "0000:01:00.0", "0x030000", "amdgpu");
  tree.files.add_file(function + "/boot_vga", "1\n");
  tree.add_device(function + "/drm/card0", "class/drm", {{"dev", "226:0"}});
  tree.files.add_node("dev/dri/card0", 0660, 226, 0);
  auto uses = find(tree, quiet()).value();
  REQUIRE(uses.size() == 1);
  CHECK(handoff::evidence_of(uses, address)[0].severity == Severity::Warn);
  tree.add_process(700, "Xorg", {{12, "/dev/dri/card0"}});
  uses = find(tree, quiet()).value();
  REQUIRE(uses.size() == 2);
  CHECK(uses[1] == Use{UseKind::DisplayOpen, {"card0"}, "/dev/dri/card0", {{700, "Xorg", "/dev/dri/card0"}}});
  const auto found = handoff::evidence_of(uses, address);
  CHECK(found[0].code == "display.boot_vga");
  CHECK(found[0].severity == Severity::Block);  // shown on, not only booted with
  CHECK(found[1].severity == Severity::Block);
  CHECK(found[1].acceptable);
  CHECK(found[1].detail == "/dev/dri/card0 is open in Xorg (pid 700).");
}

TEST_CASE("Of a PF, the uses of its VFs count as well") {
  FilesTree tree;
  add_function(tree, "0000:01:00.0", "0x020000", "igb");
  tree.files.add_file(function + "/sriov_totalvfs", "7\n");
  for (const std::string index : {"0", "1"}) {
    const auto name = "0000:01:10." + index;
    add_function(tree, name, "0x020000", "igbvf");
    tree.files.add_link(function + "/virtfn" + index, "../" + name);
  }
  CHECK(find(tree, quiet(with_card("0000:01:10.1"))).value() ==
        Uses{{UseKind::Address, {"0000:01:10.1", "eth0"}, "192.0.2.1/24", {}}});
  CHECK(find(tree, quiet(with_card("0000:01:00.0"))).value() == Uses{{UseKind::Address, {"eth0"}, "192.0.2.1/24", {}}});
  CHECK(find(tree, quiet(with_card("0000:01:10.2"))).value().empty());
}

TEST_CASE("A virtio card's interface knows its virtio device") {
  FilesTree tree;
  add_function(tree, "0000:01:00.0", "0x020000", "virtio-pci");
  tree.add_device(function + "/virtio4", "bus/virtio");
  CHECK(find(tree, quiet(with_card("virtio4"))).value().size() == 1);
  CHECK(find(tree, quiet(with_card("virtio5"))).value().empty());
}

TEST_CASE("A card without interface may be in a namespace that could not be looked into") {
  FilesTree tree;
  add_function(tree, "0000:01:00.0", "0x020000", "igb");
  CHECK(find(tree, quiet({.others_unknown = true})).value() == Uses{{UseKind::OtherNamespace, {}, "", {}}});
  CHECK(find(tree, quiet({.others_unknown = false})).value().empty());
}

TEST_CASE("An interface whose namespace nobody finds leaves its directory behind") {
  FilesTree tree;
  add_function(tree, "0000:01:00.0", GENERATE(values<std::string>({"0x020000", "0x0c0330"})), "virtio-pci");
  tree.add_device(function + "/virtio4", "bus/virtio");
  tree.files.add_directory(function + GENERATE(values<std::string>({"/net", "/virtio4/net"})));
  const auto hidden = find(tree, quiet({.others_unknown = false})).value();
  CHECK(hidden == Uses{{UseKind::OtherNamespace, {}, std::string(sysfs::hidden_interface), {}}});
  CHECK(evidence(hidden.front()).detail.starts_with("The device has a network interface in a network namespace"));
  CHECK(find(tree, quiet(with_card("virtio4"))).value().size() == 1);  // it has been found
}

TEST_CASE("What no driver of the host has is asked for its display alone") {
  FilesTree tree;
  add_function(tree, "0000:01:00.0", "0x030000", GENERATE(values<std::string>({"", "vfio-pci"})));
  tree.files.add_file(function + "/boot_vga", "1\n");
  auto seams = quiet();
  seams.network = [](const sysfs::Tree&) -> sysfs::Result<sysfs::NetworkState> {
    return sysfs::fail(sysfs::ErrorCode::Kernel, "not to be asked", EPERM);
  };
  CHECK(find(tree, seams).value() == Uses{{UseKind::BootVga, {}, "boot_vga", {}}});
}

TEST_CASE("A network that cannot be read is an error, not an absence of use, where there may be an interface") {
  FilesTree tree;
  add_function(tree, "0000:01:00.0", "0x020000", "igb");
  auto seams = quiet();
  seams.network = [](const sysfs::Tree&) -> sysfs::Result<sysfs::NetworkState> {
    return sysfs::fail(sysfs::ErrorCode::Kernel, "no netlink", EPERM);
  };
  REQUIRE_FALSE(find(tree, seams));
  CHECK(find(tree, seams).error().errno_value == EPERM);
  FilesTree storage;
  add_function(storage, "0000:01:00.0", "0x010802", "nvme");
  CHECK(find(storage, seams).value().empty());
  storage.add_device(function + "/net/eth0", "class/net");
  CHECK_FALSE(find(storage, seams));
}

TEST_CASE("Every kind of use gives evidence with both sentences") {
  for (int at = 0; at <= static_cast<int>(UseKind::Firmware); ++at) {
    const auto kind = static_cast<UseKind>(at);
    const auto item =
        evidence({.kind = kind, .path = {"a0", "b0"}, .subject = "s", .processes = {{7, "cat", "/dev/x"}}});
    INFO(item.code << ": " << item.detail << " " << item.next_step);
    CHECK(item.code == sysfs::name_of(kind));
    CHECK(item.detail.ends_with('.'));
    CHECK(item.next_step.ends_with('.'));
    CHECK(item.device == address);
    CHECK(item.path.size() == 2);
    REQUIRE(item.processes.size() == 1);
    CHECK(item.processes[0] == vfio::Holder{7, "cat", "/dev/x", true});
    const bool never =
        kind == UseKind::Mounted || kind == UseKind::Swap || kind == UseKind::ShareMounted || kind == UseKind::Served;
    CHECK(item.acceptable == !never);
    const bool informs = kind == UseKind::Carrier || kind == UseKind::Signature || kind == UseKind::SoundOpen ||
                         kind == UseKind::BootVga || kind == UseKind::KernelMayUse || kind == UseKind::Firmware ||
                         kind == UseKind::Stacked || kind == UseKind::NextHop || kind == UseKind::TrafficControl ||
                         kind == UseKind::PacketSocket;
    CHECK((item.severity == Severity::Warn) == informs);
  }
}

TEST_CASE("The sentences name the way to the use") {
  CHECK(evidence({.kind = UseKind::Mounted, .path = {"sda", "sda1"}, .subject = "/srv"}).detail ==
        "sda1 (by sda -> sda1) is mounted at /srv.");
  CHECK(evidence({.kind = UseKind::DefaultRoute, .path = {"eth0"}, .subject = "eth0"}).detail ==
        "The default route leaves through eth0, an interface of this device.");
  CHECK(evidence({.kind = UseKind::Holder, .path = {"sda", "dm-0 (x)"}, .subject = "dm-0 (x)"}).detail ==
        "dm-0 (x) is built on the disk (by sda -> dm-0 (x)).");
  CHECK(evidence({.kind = UseKind::Signature, .path = {"sda"}, .subject = "unknown"}).detail ==
        "Whether sda is claimed or holds data is not known: its node cannot be opened.");
  CHECK(evidence({.kind = UseKind::Signature, .path = {"sda"}, .subject = "gpt"}).detail ==
        "sda is not in use but holds data: gpt.");
  CHECK(evidence({.kind = UseKind::OtherNamespace}).detail.starts_with("The device shows no network interface"));
  CHECK(evidence({.kind = UseKind::UsbInUse, .path = {"1-2:1.0"}, .subject = "Thing (keyboard)"}).detail ==
        "The host uses a USB device below the controller: Thing (keyboard).");
}

handoff::RuleOutcome outcome_of(const handoff::Usage& usage, std::string_view rule) {
  for (const auto& outcome : usage.rules) {
    if (outcome.rule == rule) return outcome;
  }
  return {};
}

TEST_CASE("Every rule is told, in the order of the table, with what it found and what it could not see") {
  FilesTree tree;
  add_function(tree, "0000:01:00.0", "0x020000", "igb");
  auto state = with_card("0000:01:00.0");
  state.others_unknown = true;
  const auto usage = look(tree, quiet(state)).value();
  REQUIRE(usage.rules.size() == handoff::usage_rules().size());
  for (std::size_t at = 0; at < usage.rules.size(); ++at) {
    CHECK(usage.rules[at].rule == handoff::usage_rules()[at].name);
    CHECK(handoff::source_of_rule(usage.rules[at].rule).ends_with('.'));
  }
  CHECK(outcome_of(usage, "addresses").outcome == handoff::Outcome::Found);
  CHECK(outcome_of(usage, "routes").outcome == handoff::Outcome::Nothing);
  CHECK(outcome_of(usage, "namespaces").outcome == handoff::Outcome::NotVisible);
  CHECK(outcome_of(usage, "namespaces").reason == "not every other network namespace could be entered");
}

TEST_CASE("A network card without an interface is looked for where only a descriptor keeps the namespace") {
  FilesTree tree;
  add_function(tree, "0000:01:00.0", "0x020000", "igb");
  int looks = 0;
  const auto seams_with = [&looks](const char* parent) {
    auto seams = quiet(with_card(parent));
    seams.hidden_namespaces = [&looks](const sysfs::Tree&, sysfs::NetworkState& state) {
      ++looks;
      auto card = with_card("0000:01:00.0").namespaces.front();
      card.name = "pid 7, descriptor 3";
      state.namespaces.push_back(std::move(card));
      return sysfs::Result<>();
    };
    return seams;
  };
  CHECK(outcome_of(look(tree, seams_with("0000:09:00.0")).value(), "namespaces").outcome == handoff::Outcome::Found);
  CHECK(looks == 1);
  CHECK(outcome_of(look(tree, seams_with("0000:01:00.0")).value(), "namespaces").outcome == handoff::Outcome::Nothing);
  CHECK(looks == 1);
}

TEST_CASE("A device without a driver of the host has nothing below it to look at") {
  FilesTree tree;
  add_function(tree, "0000:01:00.0", "0x020000", "vfio-pci");
  const auto usage = look(tree, quiet({.others_unknown = true})).value();
  for (const auto& outcome : usage.rules) CHECK(outcome.outcome == handoff::Outcome::Nothing);
}

}  // namespace devbindd::usage_test

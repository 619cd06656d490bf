// SPDX-License-Identifier: Apache-2.0
// What a claim asks of the engine, as pure functions of the claim and the host.
#include "handoff/claim/claim_changes.hpp"

#include <optional>
#include <string>
#include <vector>

#include "handoff/claim/selection_report.hpp"
#include "tests/catch2.hpp"
#include "tests/fake_kernel.hpp"

namespace devbindd::claim_changes_test {

namespace {

using namespace devbindd::handoff;

sysfs::PciAddress at(const char* address) { return sysfs::parse_pci_address(address).value(); }

// Two functions of one group, and one without a group.
struct Host {
  explicit Host(const std::optional<std::string>& driver = "vfio-pci") {
    kernel.add_driver({.name = "vfio-pci"});
    kernel.add_device({.address = "0000:05:00.0", .device = 0x10d3, .group = 1, .driver = driver});
    kernel.add_device({.address = "0000:05:00.1", .device = 0x10d3, .group = 1, .driver = driver});
    kernel.add_device({.address = "0000:06:00.0", .device = 0x10d3});
    REQUIRE(inventory.refresh());
  }
  tests::FakeKernel kernel;
  sysfs::Inventory inventory{kernel};
};

Claim claim_of(const Host& host, const std::vector<const char*>& addresses) {
  Claim claim;
  claim.id = "c";
  claim.request.accept_risks = {"net.idle"};
  for (const auto* address : addresses) {
    const auto* device = host.inventory.find(at(address));
    claim.devices.push_back({.address = device->address,
                             .vendor = device->vendor,
                             .device = device->device,
                             .iommu_group = device->iommu_group,
                             .driver = "vfio-pci",
                             .inode = device->inode});
    claim.changed.push_back({.address = device->address,
                             .driver_before = "e1000e",
                             .override_before = std::nullopt,
                             .driver_after = "vfio-pci",
                             .override_after = "vfio-pci"});
  }
  return claim;
}

std::vector<sysfs::PciAddress> addresses_of(const ChangeRequest& request) {
  std::vector<sysfs::PciAddress> addresses;
  for (const auto& item : request.items) addresses.push_back(*item.address);
  return addresses;
}

}  // namespace

TEST_CASE("A claim is bound group by group, by one change that names it and its accepted risks") {
  const Host host;
  const auto request = binding_of(claim_of(host, {"0000:05:00.0", "0000:05:00.1", "0000:06:00.0"}));
  CHECK(request.kind == ChangeKind::Transaction);
  CHECK(request.claim == "c");
  CHECK(request.accept_risks == std::vector<std::string>{"net.idle"});
  CHECK(addresses_of(request) == std::vector{at("0000:05:00.0"), at("0000:06:00.0")});
  for (const auto& item : request.items) CHECK(item.scope == Scope::Group);
}

TEST_CASE("What a claim has changed goes back to how it was") {
  const Host host;
  const auto request = give_back_of(claim_of(host, {"0000:05:00.0", "0000:05:00.1"}), host.inventory, {});
  CHECK(addresses_of(request) == std::vector{at("0000:05:00.0"), at("0000:05:00.1")});
  for (const auto& item : request.items) {
    CHECK(item.kind == ChangeKind::Restore);
    CHECK(item.scope == Scope::Device);
    CHECK(item.earlier == EarlierBinding{"e1000e", std::nullopt, std::nullopt});
  }
  CHECK_FALSE(request.after_grace);
}

TEST_CASE("A device with a fault, that is gone, replaced, or on somebody else's driver, is not given back") {
  Host host;
  auto claim = claim_of(host, {"0000:05:00.0", "0000:05:00.1"});
  SECTION("fault") {
    const auto request = give_back_of(claim, host.inventory, {{at("0000:05:00.0"), "it does not answer"}});
    CHECK(addresses_of(request) == std::vector{at("0000:05:00.1")});
  }
  SECTION("replaced") {
    *claim.devices[1].inode += 1;
    CHECK(addresses_of(give_back_of(claim, host.inventory, {})) == std::vector{at("0000:05:00.0")});
  }
  SECTION("gone") {
    host.kernel.remove_device("0000:05:00.0");
    host.inventory.mark_all();
    REQUIRE(host.inventory.refresh());
    CHECK(addresses_of(give_back_of(claim, host.inventory, {})) == std::vector{at("0000:05:00.1")});
  }
  SECTION("another driver") {
    claim.changed[0].driver_after = "vfio-other";
    CHECK(addresses_of(give_back_of(claim, host.inventory, {})) == std::vector{at("0000:05:00.1")});
  }
  SECTION("kept where it is") {
    claim.request.restore = false;
    CHECK(give_back_of(claim, host.inventory, {}).items.empty());
  }
}

TEST_CASE("A device without a driver is given back, unless it was the claim's for its settings only") {
  const Host host(std::nullopt);
  auto claim = claim_of(host, {"0000:05:00.0"});
  CHECK(give_back_of(claim, host.inventory, {}).items.size() == 1);
  claim.changed[0].driver_before = claim.changed[0].driver_after;
  CHECK(give_back_of(claim, host.inventory, {}).items.empty());
}

TEST_CASE("When the grace is over an open device is a risk that is accepted") {
  const Host host;
  auto claim = claim_of(host, {"0000:05:00.0"});
  claim.request.grace = std::chrono::seconds(0);
  claim.state = ClaimState::Releasing;
  begin_grace(claim);
  const auto request = give_back_of(claim, host.inventory, {});
  CHECK(request.after_grace);
  CHECK(request.accept_risks == std::vector<std::string>{"net.idle", "vfio.open"});
}

TEST_CASE("A group goes along without its bridges; a device without a group is alone") {
  Host host;
  host.kernel.add_device({.address = "0000:05:01.0", .device = 0x1234, .class_code = 0x060400, .group = 1});
  host.inventory.mark_all();
  REQUIRE(host.inventory.refresh());
  CHECK(claimable_group(host.inventory, at("0000:05:00.0")).size() == 2);
  CHECK(claimable_group(host.inventory, at("0000:06:00.0")).size() == 1);
  CHECK(claimable_group(host.inventory, at("0000:44:00.0")).empty());
}

TEST_CASE("A selector that finds too few says how many there are, and what stands in the way of one") {
  Selection selection{.wanted = 2, .fit = 3, .free = 1};
  selection.add(
      {.device = at("0000:05:00.0"), .reason = NotFreeReason::Claimed, .detail = "it is held by the claim c"});
  selection.add({.device = at("0000:05:00.1"), .reason = NotFreeReason::Refused, .detail = "a disk of it is mounted."});
  const auto refused = not_enough(selection, Selector{.count = 2}, {});
  CHECK(refused.error.code == sysfs::ErrorCode::NotEnoughDevices);
  CHECK(refused.error.message ==
        "of 3 devices that fit, 1 of the 2 wanted are free; one is not since: a disk of it is mounted");
  REQUIRE(refused.evidence.size() == 1);
  CHECK(refused.evidence[0].code == "claim.not_enough");
  CHECK(refused.selection->free == 1);
}

}  // namespace devbindd::claim_changes_test

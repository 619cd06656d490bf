// SPDX-License-Identifier: Apache-2.0
// What a selector takes, by itself and along with another, and what none does.
#include "handoff/model/selector.hpp"

#include "tests/catch2.hpp"
#include "tests/handoff/claim_machine.hpp"

namespace devbindd::selector_test {

namespace {

using namespace devbindd;
using namespace devbindd::handoff;
using namespace devbindd::tests;

const std::string lpc = "0000:00:1f.0";
const std::string sata = "0000:00:1f.2";
const std::string smbus = "0000:00:1f.3";

// A chipset whose SATA controller shares its group with what holds the host together, and an NVMe disk that is alone.
struct Chipset : ClaimMachine {
  explicit Chipset(bool with_disk) {
    kernel->add_device({.address = lpc, .device = 0x2918, .class_code = 0x060100, .group = 40});
    kernel->add_device({.address = sata, .device = 0x2922, .class_code = 0x010601, .group = 40});
    kernel->add_device({.address = smbus, .device = 0x2930, .class_code = 0x0c0500, .group = 40});
    if (with_disk)
      kernel->add_device(
          {.address = "0000:41:00.0", .device = 0x0953, .class_code = 0x010802, .group = 41, .driver = "nvme"});
    kernel->remove_device(disk);
    restart();
  }
};

sysfs::Device device_of(std::uint32_t class_code) {
  sysfs::Device device;
  device.vendor = 0x8086;
  device.device = 0x0b25;
  device.class_code = class_code;
  return device;
}

ClaimRequest by(Selector selector) {
  ClaimRequest request;
  request.selector = std::move(selector);
  return request;
}

}  // namespace

TEST_CASE("No selector takes what holds the host together, whatever it names") {
  for (const auto class_code : {0x050000U, 0x050100U, 0x060000U, 0x060100U, 0x060200U, 0x080000U, 0x080100U, 0x080200U,
                                0x080300U, 0x080600U, 0x080700U, 0x0c0500U}) {
    const auto device = device_of(class_code);
    CAPTURE(class_code);
    CHECK_FALSE(matches({.vendor = 0x8086}, device));
    CHECK_FALSE(matches({.address = device.address}, device));
    CHECK_FALSE(matches({.device = 0x0b25}, device));
    CHECK_FALSE(matches({.class_prefix = sysfs::class_text(device)}, device));
    CHECK_FALSE(matches({.category = std::string(sysfs::category(device))}, device));
    CHECK_FALSE(may_take_along({.device = 0x0b25}, device));
  }
}

TEST_CASE(
    "Other parts of the chipset are taken where the selector says that it means them, and not along with others") {
  for (const auto class_code : {0x050200U, 0x058000U, 0x068000U, 0x088000U, 0x080500U}) {  // CXL, ..., NTB, DMA engine
    const auto device = device_of(class_code);
    CAPTURE(class_code);
    CHECK_FALSE(matches({.vendor = 0x8086}, device));
    CHECK(matches({.device = 0x0b25}, device));
    CHECK(matches({.class_prefix = sysfs::class_text(device)}, device));
    CHECK(may_take_along({.device = 0x0b25}, device));
    CHECK_FALSE(may_take_along({.category = "storage"}, device));
    CHECK_FALSE(may_take_along({.device = 0x1234}, device));
  }
  CHECK(may_take_along({.category = "storage"}, device_of(0x020000)));
}

TEST_CASE("A claim for storage takes the disk that is alone, and never the controller in the chipset") {
  Chipset machine(true);
  const auto id = machine.made(by({.category = "storage"}));
  CHECK(machine.claims->find(id)->devices.front().address == at("0000:41:00.0"));
  for (const auto& selector : {Selector{.category = "storage"}, Selector{.address = at(sata)},
                               Selector{.device = 0x2922}, Selector{.class_prefix = "0106"}}) {
    machine.kernel->forget_writes();
    const auto refusal = machine.refused(by(selector));
    CHECK(refusal.error.code == sysfs::ErrorCode::NotEnoughDevices);
    REQUIRE(refusal.evidence.size() == 2);
    CHECK(refusal.evidence.back().code == "claim.not_enough");
    CHECK(refusal.evidence.front().code == "device.system");
    CHECK((refusal.evidence.front().device == at(lpc) || refusal.evidence.front().device == at(smbus)));
    CHECK(machine.kernel->writes().empty());
  }
}

TEST_CASE("Who asks for such a group by address is told what goes along") {
  Chipset machine(false);
  const auto decision = machine.stage->decide(bind_request(sata, "vfio-pci", Scope::Group), true);
  const auto& preview = std::get<Preview>(decision);
  std::set<sysfs::PciAddress> told;
  for (const auto& item : preview.plan.evidence) {
    if (item.code != "device.system") continue;
    CHECK(item.severity == Severity::Warn);
    told.insert(*item.device);
  }
  CHECK(told == std::set<sysfs::PciAddress>{at(lpc), at(smbus)});
}

}  // namespace devbindd::selector_test

// SPDX-License-Identifier: Apache-2.0
// Whether a consumer's limit suffices, and raising it.
#include "handoff/claim/dma_memory.hpp"

#include <cerrno>
#include <limits>

#include "tests/catch2.hpp"
#include "tests/handoff/stage.hpp"

namespace devbindd::dma_memory_test {

namespace {

using namespace devbindd;
using namespace devbindd::handoff;
using namespace devbindd::tests;

constexpr std::uint64_t mib = 1U << 20U;

struct Machine : Stage {
  Machine() : Stage(usual_machine()) {
    claim.id = "c1";
    claim.devices = {{.address = at(card), .iommu_group = 1, .driver = "vfio-pci"}};
    claim.grantees.uids = {1000};
    add_process(7, "1000", 8 * mib);
  }
  void add_process(int pid, const std::string& uid, std::uint64_t limit, const std::string& capabilities = "0") {
    const auto folder = "proc/" + std::to_string(pid);
    const auto bytes = std::to_string(limit);
    kernel.set_file(folder + "/status", "Uid:\t" + uid + "\nVmLck:\t1024 kB\nCapEff:\t" + capabilities + "\n");
    kernel.set_file(folder + "/limits", "Max locked memory  " + bytes + "  " + bytes + "  bytes\n");
  }
  sysfs::Result<DmaMemoryAnswer> ask(const DmaMemoryQuestion& question) {
    std::optional<sysfs::Result<DmaMemoryAnswer>> made;
    check_dma_memory(*engine, claim, question, {.name = "uid 0"}, [&made](auto answer) { made = std::move(answer); });
    run_until(io, [&made] { return made.has_value(); });
    return std::move(*made);
  }

  Claim claim;
  /// As the claim has it while it holds its devices.
  std::shared_ptr<void> permit = permit_of(engine->services(), {.subject = "claim", .devices = {at(card)}});
};

DmaMemoryQuestion question(std::uint64_t bytes, bool raise = false) {
  return {.pid = 7, .bytes = bytes, .way = DescriptorWay::Group, .raise = raise};
}

}  // namespace

TEST_CASE("By group each container is charged beside what the process has locked; by cdev the user is charged") {
  sysfs::LockedMemory process;
  process.locked = mib;
  auto asked = question(4 * mib);
  asked.address_spaces = 3;
  CHECK(needed_limit(asked, DescriptorWay::Group, process) == 13 * mib);
  CHECK(needed_limit(asked, DescriptorWay::Cdev, process) == 12 * mib);
  asked.bytes = std::numeric_limits<std::uint64_t>::max() / 2;
  CHECK(needed_limit(asked, DescriptorWay::Group, process) == std::numeric_limits<std::uint64_t>::max());
}

TEST_CASE("The limit suffices up to the last byte, without one, and with CAP_IPC_LOCK") {
  Machine machine;
  CHECK(machine.ask(question(7 * mib))->suffices);
  CHECK_FALSE(machine.ask(question(7 * mib + 1))->suffices);
  machine.add_process(7, "1000", 8 * mib, "4000");
  CHECK(machine.ask(question(1024 * mib))->suffices);
  machine.add_process(7, "1000", 8 * mib);
  machine.kernel.set_file("proc/7/limits", "Max locked memory  unlimited  unlimited  bytes\n");
  CHECK(machine.ask(question(1024 * mib))->suffices);
}

TEST_CASE("A limit is raised where it has to be, and only of the claim's own process or its owners'") {
  Machine machine;
  CHECK_FALSE(machine.ask(question(mib, true))->raised);
  const auto raised = machine.ask(question(1024 * mib, true)).value();
  CHECK(raised.raised);
  CHECK(raised.suffices);
  CHECK(raised.process.limit.soft == 1025 * mib);

  machine.add_process(7, "1001", 8 * mib);
  CHECK(machine.ask(question(1024 * mib, true)).error().code == sysfs::ErrorCode::LimitNotRaised);
  machine.claim.request.pid = 7;
  CHECK(machine.ask(question(1024 * mib, true))->raised);
  machine.add_process(7, "1001", 8 * mib);
  machine.workers.fail_limits(EPERM);
  const auto refused = machine.ask(question(1024 * mib, true));
  REQUIRE_FALSE(refused);
  CHECK(refused.error().errno_value == EPERM);
}

TEST_CASE("Without a pid it is the claim's own process that is meant") {
  Machine machine;
  auto asked = question(mib);
  asked.pid.reset();
  CHECK(machine.ask(asked).error().code == sysfs::ErrorCode::OwnerNotFound);
  machine.claim.request.pid = 7;
  CHECK(machine.ask(asked)->pid == 7);
  asked.pid = 8;
  CHECK(machine.ask(asked).error().code == sysfs::ErrorCode::OwnerNotFound);
}

}  // namespace devbindd::dma_memory_test

// SPDX-License-Identifier: Apache-2.0
// Claims on a kernel in memory: made all or none, kept from others, ended without pulling a device from under anybody,
// and carried over from one daemon to the next whenever the last one was cut off.
#include "handoff/claim/claims.hpp"

#include <sqlite3.h>

#include <algorithm>
#include <cerrno>

#include "handoff/journal/claim_document.hpp"
#include "tests/catch2.hpp"
#include "tests/handoff/claim_machine.hpp"
#include "tests/handoff/documents.hpp"

namespace devbindd::claims_test {

namespace {

using namespace devbindd;
using namespace devbindd::handoff;
using namespace devbindd::tests;
using sysfs::ErrorCode;

const std::string other = "0000:08:00.0";

ClaimRequest some(unsigned count, std::optional<std::uint16_t> device = {}) {
  ClaimRequest request;
  request.selector = Selector{.category = "network", .count = count};
  if (device) request.selector->device = *device;
  return request;
}

// While no daemon has it open.
void change_database(ClaimMachine& machine, const char* sql) {
  machine.claims.reset();
  machine.stage.reset();
  sqlite3* database = nullptr;
  REQUIRE(sqlite3_open((machine.directory.path() / "state.db").c_str(), &database) == SQLITE_OK);
  CHECK(sqlite3_exec(database, sql, nullptr, nullptr, nullptr) == SQLITE_OK);
  sqlite3_close(database);
  machine.restart();
}

// The devices that a claim by the selector gets, or why it gets none. It is ended again.
std::string chosen(ClaimMachine& machine, Selector selector) {
  ClaimRequest request;
  request.selector = std::move(selector);
  const auto outcome = machine.create(std::move(request));
  if (const auto* refusal = std::get_if<Refusal>(&outcome)) return refusal->error.message;
  const auto id = std::get<ClaimMade>(outcome).id;
  std::string addresses;
  for (const auto& device : machine.claims->find(id)->devices) {
    if (!device.companion) addresses += (addresses.empty() ? "" : " ") + sysfs::to_string(device.address);
  }
  CHECK(machine.release(id) == std::nullopt);
  return addresses;
}

}  // namespace

TEST_CASE("A claim takes the whole group, opens its node to the owner, and gives everything back") {
  ClaimMachine machine;
  const auto before = machine.kernel->bindings();
  const auto id = machine.made(of({pair0}));
  const auto& claim = *machine.claims->find(id);
  CHECK(claim.state == ClaimState::Active);
  CHECK(claim.fencing_token == 1);
  REQUIRE(claim.devices.size() == 3);
  CHECK_FALSE(claim.devices[0].companion);
  CHECK(claim.devices[1].companion);
  for (const auto& address : {pair0, pair1, disk})
    CHECK(machine.kernel->bindings().at(address).starts_with("vfio-pci"));
  CHECK(machine.stage->workers.grants().at("/dev/vfio/2") == std::set<std::string>{"u1000"});
  CHECK(machine.release(id) == std::nullopt);
  CHECK(machine.state(id) == ClaimState::Released);
  CHECK(machine.kernel->bindings() == before);
  CHECK(machine.stage->workers.grants().empty());
  CHECK(machine.release(id) == std::nullopt);  // once more is no error
}

TEST_CASE("What a claim holds is kept from every other change") {
  ClaimMachine machine;
  const auto id = machine.made(of({pair0}));
  auto set_override = bind_request(pair0);
  set_override.kind = ChangeKind::SetOverride;
  for (const auto& request :
       {bind_request(pair0), bind_request(disk, "nvme"), request_of(ChangeKind::Restore, pair0),
        request_of(ChangeKind::Unbind, pair1), set_override,
        accepting(transaction({bind_request(card), request_of(ChangeKind::Restore, disk)}), {"claim.held"})}) {
    const auto refused = machine.stage->refused(request);
    CHECK(refused.error.code == ErrorCode::Refused);
    for (const auto& code : codes(refused.evidence)) CHECK(code == "claim.held");
    CHECK(refused.evidence.front().detail.find(id) != std::string::npos);
  }
  const auto loser = machine.refused(of({pair1}));
  CHECK(codes(loser.evidence) == std::vector<std::string>{"claim.held"});
  CHECK(machine.stage->carry_out(bind_request(card))["state"] == "succeeded");
}

TEST_CASE("Two claims for one device at the same moment: one has it, the other is told which") {
  ClaimMachine machine;
  std::vector<ClaimOutcome> outcomes;
  for (int time = 0; time < 2; ++time) {
    machine.claims->create(of({card}), {}, false,
                           [&outcomes](ClaimOutcome made) { outcomes.push_back(std::move(made)); });
  }
  run_until(machine.stage->io, [&outcomes] { return outcomes.size() == 2; });
  std::ranges::sort(outcomes, {}, [](const auto& outcome) { return outcome.index(); });
  const auto& winner = std::get<ClaimMade>(outcomes[1]).id;
  CHECK(std::get<Refusal>(outcomes[0]).evidence.front().detail.find(winner) != std::string::npos);
}

TEST_CASE("The same request with one key at the same moment is one claim") {
  ClaimMachine machine;
  std::set<std::string> ids;
  int answers = 0;
  auto request = some(2);
  request.idempotency_key = "pod-7";
  request.owner.users = {"root"};
  for (int time = 0; time < 3; ++time) {
    machine.claims->create(request, {.transport = "unix", .uid = 0, .pid = 1}, false, [&](const ClaimOutcome& outcome) {
      ids.insert(std::get<ClaimMade>(outcome).id);
      ++answers;
    });
  }
  run_until(machine.stage->io, [&answers] { return answers == 3; });
  CHECK(ids.size() == 1);
  CHECK(machine.claims->all().size() == 1);
  // Renewing it for longer does not make it another request.
  CHECK(machine.renew(*ids.begin(), std::chrono::seconds(600)));
  CHECK(std::get<ClaimMade>(machine.create(request)).id == *ids.begin());
}

TEST_CASE("A bridge is no device to be claimed, alone or beside others") {
  ClaimMachine machine;
  for (const auto& devices : {std::vector<std::string>{"0000:06:00.0"}, {pair0, "0000:06:00.0"}})
    CHECK(codes(machine.refused(of(devices)).evidence) == std::vector<std::string>{"device.bridge"});
  CHECK(machine.claims->all().empty());
}

TEST_CASE("A VF is claimed and released, and its PF keeps its driver meanwhile") {
  ClaimMachine machine;
  machine.kernel->add_device(
      {.address = "0000:20:00.0", .device = 0x10c9, .group = 20, .driver = "igb", .totalvfs = 4});
  machine.kernel->add_device(
      {.address = "0000:20:10.0", .device = 0x10ca, .group = 21, .driver = "igbvf", .physfn = "0000:20:00.0"});
  const auto id = machine.made(of({"0000:20:10.0"}));
  auto unbind = request_of(ChangeKind::Unbind, "0000:20:00.0");
  unbind.accept_risks = {"sriov.vfs_enabled"};
  CHECK(codes(machine.stage->refused(unbind).evidence) == std::vector<std::string>{"claim.held"});
  CHECK(machine.release(id) == std::nullopt);
  CHECK(machine.claims->find(id)->reason == "it was released");
  CHECK(machine.state(id) == ClaimState::Released);
}

TEST_CASE("What comes back is what was there before the claim, also where that was devbindd's doing") {
  ClaimMachine machine;
  machine.stage->carry_out(request_of(ChangeKind::Unbind, card));
  const auto id = machine.made(of({card}));
  CHECK(machine.release(id) == std::nullopt);
  CHECK(machine.kernel->bindings().at(card) == "- override -");
  machine.stage->carry_out(request_of(ChangeKind::Restore, card));
  CHECK(machine.kernel->bindings().at(card) == "e1000e override -");
}

TEST_CASE("A device that is gone does not keep the others of its claim") {
  ClaimMachine machine;
  const auto id = machine.made(of({card, pair0}));
  machine.kernel->remove_device(card);
  machine.kernel->lose_uevents();
  CHECK(machine.release(id) == std::nullopt);
  machine.wait_for(id, ClaimState::Released);
  CHECK(machine.kernel->bindings().at(disk) == "nvme override nvme");
}

TEST_CASE("A device whose driver does not take it back does not keep the others of its claim on VFIO") {
  ClaimMachine machine;
  const auto id = machine.made(of({card, pair0, other}));
  machine.kernel->refuse_probe("e1000e", card, EIO);
  CHECK(machine.release(id) == std::nullopt);
  machine.wait_for(id, ClaimState::Quarantined);
  CHECK(machine.claims->find(id)->reason.starts_with("giving " + card + " back failed: "));
  const auto bindings = machine.kernel->bindings();
  CHECK(bindings.at(card) == "vfio-pci override vfio-pci");
  CHECK(bindings.at(pair0) == "e1000e override -");
  CHECK(bindings.at(disk) == "nvme override nvme");
  CHECK(bindings.at(other) == "igb override -");
}

TEST_CASE("Whichever write a device is pulled at, the others of its claim are given back") {
  std::size_t points = 0;
  for (std::size_t number = 1;; ++number) {
    INFO("pulled before write " << number);
    ClaimMachine machine;
    const auto before = machine.kernel->bindings();
    const auto id = machine.made(of({other, card}));
    bool pulled = false;
    machine.kernel->before_nth_write(number, [&] {
      machine.kernel->remove_device(card);
      pulled = true;
    });
    machine.release(id);
    run_until(machine.stage->io, [&] { return !holds_devices(*machine.claims->find(id)); });
    if (!pulled) break;
    ++points;
    CHECK(machine.state(id) == ClaimState::Released);
    CHECK(machine.kernel->bindings().at(other) == before.at(other));
  }
  CHECK(points > 4);
}

TEST_CASE("A give-back that waits writes nothing; one that cannot be done ends in quarantine") {
  ClaimMachine machine;
  const auto id = machine.made(of({card}));
  machine.stage->workers.fail_access(EPERM);
  CHECK(machine.release(id) == std::nullopt);
  machine.wait_for(id, ClaimState::Quarantined);
  CHECK(machine.claims->find(id)->reason.find("could not be closed") != std::string::npos);
  std::size_t lines = 0;
  for (int looks = 0; looks < 100 && lines < 4; ++looks) {  // the last one is written when the claim has its state
    bool read = false;
    machine.stage->journal->read_audit({.limit = 100}, [&](const sysfs::Result<AuditPage>& page) {
      lines = page.value().rows.size();
      read = true;
    });
    run_until(machine.stage->io, [&read] { return read; });
  }
  CHECK(lines == 4);  // the binding and the claim, each begun and ended
}

TEST_CASE("A give-back waits for as long as the journal cannot be written") {
  ClaimMachine machine;
  const auto id = machine.made(of({card}));
  change_database(machine, "CREATE TRIGGER no BEFORE INSERT ON operations BEGIN SELECT RAISE(ABORT,'full'); END");
  CHECK(machine.release(id) == std::nullopt);
  for (int round = 0; round < 15; ++round) {
    machine.stage->io.restart();
    machine.stage->io.run_for(std::chrono::milliseconds(60));
  }
  CHECK(machine.state(id) == ClaimState::Releasing);
  CHECK(machine.claims->find(id)->reason.find("full") != std::string::npos);
  change_database(machine, "DROP TRIGGER no");
  machine.wait_for(id, ClaimState::Released);
  CHECK(machine.kernel->bindings().at(card) == "e1000e override -");
}

TEST_CASE("From when a claim ends its owner cannot open the nodes any longer; what is open stays so") {
  ClaimMachine machine;
  const auto id = machine.made(of({card}));
  machine.kernel->open_device(card, 4711, "vmm");
  CHECK(machine.release(id)->error.code == ErrorCode::ClaimInUse);
  CHECK_FALSE(machine.stage->workers.grants().empty());
  CHECK(machine.release(id, true) == std::nullopt);
  CHECK(machine.state(id) == ClaimState::Releasing);
  CHECK(machine.stage->workers.grants().empty());
  CHECK(machine.kernel->bindings().at(card).starts_with("vfio-pci"));
  machine.kernel->close_device(card);
  machine.wait_for(id, ClaimState::Released);
}

TEST_CASE("What somebody has given to another driver during a claim stays there") {
  ClaimMachine machine;
  const auto id = machine.made(of({card, pair0}));
  const auto write = [&machine](const std::string& path, const std::string& value) {
    REQUIRE(machine.kernel->write("sys/bus/pci/" + path, value));
  };
  write("drivers/vfio-pci/unbind", card);
  const auto now = machine.stage->engine->find_device(at(card)).value();
  CHECK_FALSE(is_as_claimed(machine.claims->find(id)->devices[0], &now));
  SECTION("with an override of his own") {
    write("devices/" + card + "/driver_override", "igb");
    write("drivers/igb/bind", card);
    CHECK(machine.release(id) == std::nullopt);
    CHECK(machine.kernel->bindings().at(card) == "igb override igb");
  }
  SECTION("but what was left without a driver gets its own back") {
    CHECK(machine.release(id) == std::nullopt);
    CHECK(machine.kernel->bindings().at(card) == "e1000e override -");
  }
  CHECK(machine.state(id) == ClaimState::Released);
  CHECK(machine.kernel->bindings().at(pair0) == "e1000e override -");
}

TEST_CASE("A number that is no living process's, or a thread's, cannot keep a claim") {
  ClaimMachine machine;
  auto request = of({card});
  request.pid = 4242;
  const std::string rest = " 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 4242 0 0";
  SECTION("one that has ended and is waited for") { machine.kernel->set_file("proc/4242/stat", "4242 (vmm) Z" + rest); }
  SECTION("a thread") {
    machine.kernel->set_file("proc/4242/stat", "4242 (vmm) S" + rest);
    machine.kernel->set_file("proc/4242/status", "Name:\tvmm\nTgid:\t4240\nPid:\t4242\n");
  }
  SECTION("none") {}
  machine.kernel->forget_writes();
  CHECK(machine.refused(request).error.code == ErrorCode::OwnerNotFound);
  CHECK(machine.kernel->writes().empty());
}

TEST_CASE("A renewal that comes while the claim ends is told so") {
  ClaimMachine machine;
  auto request = of({card});
  request.ttl = std::chrono::seconds(60);
  request.while_connected = true;
  const auto connection = machine.connected();
  const auto id = machine.made(request);
  std::optional<sysfs::Result<>> renewed;
  machine.claims->renew(id, machine.requester(), {}, [&renewed](const sysfs::Result<>& said) { renewed = said; });
  machine.close(connection);  // before the renewal is on disk
  run_until(machine.stage->io, [&] { return renewed && machine.state(id) == ClaimState::Released; });
  REQUIRE_FALSE(renewed->has_value());
  CHECK(renewed->error().code == ErrorCode::ClaimNotActive);
  const auto late = machine.renew(id);
  CHECK(late.error().code == ErrorCode::ClaimNotActive);
}

TEST_CASE("A claim lasts as long as it was made for, however the clock is set") {
  Claim claim;
  CHECK(time_left(claim) == std::nullopt);
  set_time_left(claim, std::chrono::hours(1));
  const auto near = [&claim](std::chrono::minutes wanted) {
    return std::chrono::abs(*time_left(claim) - wanted) < std::chrono::seconds(10);
  };
  claim.expires_at = *claim.expires_at - std::chrono::hours(5);
  CHECK(near(std::chrono::hours(1)));
  claim.expires_uptime.reset();  // of a journal before this one
  CHECK(near(-std::chrono::hours(4)));
}

TEST_CASE("A selector means parts of the chipset only where it says so, and what holds the host together never") {
  ClaimMachine machine;
  for (const auto& [address, class_code] : {std::pair("0000:00:00.0", 0x060000U), std::pair("0000:00:1f.3", 0x0c0500U),
                                            std::pair("0000:00:1f.5", 0x088000U)})
    machine.kernel->add_device({.address = address, .class_code = class_code, .group = class_code >> 8U});
  CHECK(chosen(machine, {.driver = "none"}) == pair1);
  CHECK(chosen(machine, {.class_prefix = "0c05", .driver = "none"}).contains("of 0 devices that fit"));
  CHECK(chosen(machine, {.address = at("0000:00:1f.5"), .driver = "none"}) == "0000:00:1f.5");
  CHECK(chosen(machine, {.category = "bridge"}).contains("of 0 devices that fit"));
  machine.kernel->add_device({.address = "0000:00:1f.2", .class_code = 0x010601, .group = 0x0c05});
  CHECK(chosen(machine, {.driver = "none"}) == pair1);  // not that, with the SMBus in its group
}

TEST_CASE("The audit says who made a claim, who ended it, and what became of it") {
  ClaimMachine machine;
  const auto id = machine.made(of({card}));
  CHECK(machine.release(id) == std::nullopt);
  std::vector<std::string> lines;
  bool read = false;
  machine.stage->journal->read_audit({.limit = 100}, [&](const sysfs::Result<AuditPage>& page) {
    for (const auto& row : page.value().rows) {
      const auto entry = nlohmann::json::parse(row.document);
      if (entry["kind"] != "claim") continue;
      CHECK(entry["request"]["claim"] == "/v1/claims/" + id);
      CHECK(row.devices == std::vector<std::string>{card});
      lines.push_back(entry["event"].get<std::string>() + " " + entry["outcome"].get<std::string>() + " by " +
                      entry["requested_by"]["uid"].dump() + " " + entry["detail"].dump());
    }
    read = true;
  });
  run_until(machine.stage->io, [&read] { return read; });
  CHECK(lines == std::vector<std::string>{R"(ended released by 8 "it was released")", "begun active by 0 null"});
}

TEST_CASE("The audit has one line for a claim that was refused, whoever refused it, and none for a dry run") {
  ClaimMachine machine;
  const auto holder = machine.made(of({card}));
  machine.refused(of({card}));            // held by the other
  machine.refused(of({"0000:06:00.0"}));  // a bridge
  machine.refused(some(9));
  machine.kernel->open_device(card, 4711, "qemu");
  bool previewed = false;
  machine.claims->create(of({card}), machine.requester(), true,
                         [&previewed](const ClaimOutcome&) { previewed = true; });
  run_until(machine.stage->io, [&previewed] { return previewed; });
  std::vector<std::string> lines;
  bool read = false;
  machine.stage->journal->read_audit({.limit = 100}, [&](const sysfs::Result<AuditPage>& page) {
    for (const auto& row : page.value().rows) {
      const auto entry = nlohmann::json::parse(row.document);
      if (entry["event"] != "refused") continue;
      CHECK(entry["kind"] == "claim");
      CHECK(entry["request"]["devices"] == row.devices);
      lines.push_back(entry["outcome"].get<std::string>() + " " + entry["evidence"].dump() + " " +
                      entry["detail"].dump());
    }
    read = true;
  });
  run_until(machine.stage->io, [&read] { return read; });
  REQUIRE(lines.size() == 3);
  CHECK(lines[0].starts_with(R"(not_enough_devices ["claim.not_enough"] )"));
  CHECK(lines[1].starts_with(R"(refused ["device.bridge"] )"));
  CHECK(lines[2].starts_with(R"(refused ["claim.held"] )"));
  CHECK(lines[2].find(holder) != std::string::npos);
}

TEST_CASE("A second release of one that hangs in the kernel is answered at once") {
  ClaimMachine machine;
  const auto id = machine.made(of({card}));
  machine.kernel->block("sys/bus/pci/drivers/vfio-pci/unbind", card);
  CHECK(machine.release(id) == std::nullopt);
  CHECK(machine.state(id) == ClaimState::Releasing);
  CHECK(machine.release(id) == std::nullopt);
  CHECK(machine.state(id) == ClaimState::Releasing);
  machine.kernel->unblock("sys/bus/pci/drivers/vfio-pci/unbind", card);
  machine.stage->workers.resume();
  machine.wait_for(id, ClaimState::Released);
}

TEST_CASE("Devices that a failed claim left incomplete are kept from the next one") {
  ClaimMachine machine;
  machine.kernel->refuse_probe("vfio-pci", card, EIO);
  machine.kernel->refuse_probe("e1000e", card, EIO);
  CHECK(std::holds_alternative<ClaimFailed>(machine.create(of({card}))));
  CHECK(machine.claims->all().front()->state == ClaimState::Quarantined);
  CHECK(codes(machine.refused(of({card})).evidence).front() == "claim.held");
}

TEST_CASE("The claim that ended last is the last in the list, and is still there") {
  ClaimMachine machine;
  const auto first = machine.made(of({card}));
  const auto second = machine.made(of({other}));
  machine.release(second);
  machine.release(first);
  CHECK(machine.claims->all().back()->id == first);
  machine.restart();
  CHECK(machine.claims->all().back()->id == first);
}

TEST_CASE("A selector takes the first free devices, and says why there are too few") {
  ClaimMachine machine;
  machine.made(of({card}));
  const auto id = machine.made(some(2));
  std::vector<std::string> asked;
  for (const auto& device : machine.claims->find(id)->devices) {
    if (!device.companion) asked.push_back(sysfs::to_string(device.address));
  }
  CHECK(asked == std::vector<std::string>{pair0, pair1});  // of one group: taken together
  const auto none = machine.refused(some(2, 0x10c9));
  CHECK(none.error.code == ErrorCode::NotEnoughDevices);
  CHECK(none.error.message.find("1 of the 2 wanted") != std::string::npos);
  CHECK(none.error.message.find("no IOMMU group") != std::string::npos);
  CHECK(machine.stage->kernel.bindings().at(other) == "igb override -");
}

TEST_CASE("A selector takes a device with a warning for want of better ones only") {
  ClaimMachine machine;
  const auto warn_about = [&machine](const std::string& bus) {
    machine.kernel->set_file("etc/driverctl.d/pci-0000:" + bus + ":00.0", "e1000e\n");
  };
  machine.kernel->add_device({.address = "0000:40:00.0", .device = 0x1521, .group = 41, .driver = "igb"});
  machine.kernel->add_device({.address = "0000:41:00.0", .device = 0x1521, .group = 42, .driver = "igb"});
  machine.kernel->add_device({.address = "0000:42:00.0", .device = 0x1521, .group = 43, .driver = "igb"});
  machine.restart();
  CHECK(chosen(machine, {.device = 0x1521}) == "0000:40:00.0");
  warn_about("40");
  CHECK(chosen(machine, {.device = 0x1521}) == "0000:41:00.0");
  CHECK(chosen(machine, {.device = 0x1521, .count = 2}) == "0000:41:00.0 0000:42:00.0");
  CHECK(chosen(machine, {.device = 0x1521, .count = 3}) == "0000:41:00.0 0000:42:00.0 0000:40:00.0");
  CHECK(chosen(machine, {.device = 0x1521, .count = 4})
            .contains("of 3 devices that fit, 4 are wanted: there are no more"));
  warn_about("41");
  warn_about("42");
  CHECK(chosen(machine, {.device = 0x1521}) == "0000:40:00.0");
}

TEST_CASE("A warning is better than a risk that was accepted") {
  ClaimMachine machine;
  for (const std::string bus : {"40", "41"})
    machine.kernel->add_device({.address = "0000:" + bus + ":00.0",
                                .device = 0x1521,
                                .group = 41,
                                .driver = "igb",
                                .interfaces = {"net" + bus}});
  machine.kernel->add_device({.address = "0000:42:00.0", .device = 0x1521, .group = 43, .driver = "igb"});
  machine.kernel->set_file("etc/driverctl.d/pci-0000:42:00.0", "igb\n");
  machine.kernel->set_file("proc/net/route",
                           "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n"
                           "net40\t00000000\t0202000A\t0003\t0\t0\t0\t00000000\t0\t0\t0\n");
  machine.restart();
  ClaimRequest request;
  request.selector = Selector{.device = 0x1521};
  request.accept_risks = {"net.default_route"};
  const auto id = machine.made(request);
  CHECK(machine.claims->find(id)->devices.front().address == at("0000:42:00.0"));
}

TEST_CASE("Below one root port enough devices with a warning are better than too few without") {
  ClaimMachine machine;
  machine.kernel->add_device({.address = "0000:40:00.0", .device = 0x3420, .class_code = 0x060400, .group = 40});
  for (const std::string slot : {"01", "02"})
    machine.kernel->add_device({.address = "0000:41:" + slot + ".0",
                                .device = 0x1521,
                                .group = 40 + static_cast<unsigned>(slot[1] - '0'),
                                .driver = "igb",
                                .parent = "0000:40:00.0"});
  machine.kernel->add_device({.address = "0000:50:00.0", .device = 0x1521, .group = 50, .driver = "igb"});
  machine.kernel->set_file("etc/driverctl.d/pci-0000:41:01.0", "igb\n");
  machine.restart();
  CHECK(chosen(machine, {.device = 0x1521, .same_switch = true, .count = 2}) == "0000:41:02.0 0000:41:01.0");
}

TEST_CASE("When one group fails, none is taken and the claim is over") {
  ClaimMachine machine;
  const auto before = machine.kernel->bindings();
  machine.kernel->refuse_probe("vfio-pci", disk, EIO);
  const auto outcome = machine.create(of({card, pair0}));
  const auto& failed = std::get<ClaimFailed>(outcome);
  CHECK(document_of(*machine.stage->engine, failed.operation)["state"] == "failed");
  CHECK(machine.kernel->bindings() == before);
  CHECK(machine.claims->all().front()->state == ClaimState::Released);
  machine.kernel->refuse_probe("vfio-pci", disk, 0);
  CHECK_NOTHROW(machine.made(of({card, pair0})));
}

TEST_CASE("A device that is open cannot be claimed, and one that was opened is not pulled away") {
  ClaimMachine machine;
  machine.stage->carry_out(bind_request(card));
  machine.kernel->open_device(card, 4711, "vmm");
  CHECK(codes(machine.refused(of({card})).evidence) == std::vector<std::string>{"vfio.open"});
  machine.kernel->close_device(card);
  const auto id = machine.made(of({card}));
  machine.kernel->open_device(card, 4711, "vmm");
  const auto in_use = machine.release(id);
  REQUIRE(in_use);
  CHECK(in_use->error.code == ErrorCode::ClaimInUse);
  CHECK(in_use->evidence.front().processes.front().pid == 4711);
  CHECK(machine.state(id) == ClaimState::Active);
  CHECK(machine.release(id, true) == std::nullopt);
  CHECK(machine.state(id) == ClaimState::Releasing);
  CHECK(machine.claims->find(id)->holders.front().pid == 4711);
  CHECK_FALSE(machine.stage->workers.grants().contains("/dev/vfio/1"));
  machine.kernel->close_device(card);
  machine.wait_for(id, ClaimState::Released);
  // It was on VFIO before the claim, and so it is after it.
  CHECK(machine.kernel->bindings().at(card) == "vfio-pci override vfio-pci");
}

TEST_CASE("After its grace an open device is unbound all the same, which waits until it is closed") {
  ClaimMachine machine;
  auto request = of({card});
  request.grace = std::chrono::seconds(0);
  const auto id = machine.made(request);
  machine.kernel->open_device(card, 4711, "vmm");
  CHECK(machine.release(id)->error.code == ErrorCode::ClaimInUse);  // who asks is told first
  CHECK(machine.release(id, true) == std::nullopt);
  CHECK(machine.state(id) == ClaimState::Releasing);
  const auto& claim = *machine.claims->find(id);
  CHECK(claim.holders.front().pid == 4711);
  REQUIRE_FALSE(claim.release_operation.empty());
  CHECK(machine.stage->engine->operations().is_blocked(claim.release_operation));
  CHECK_FALSE(machine.stage->workers.grants().contains("/dev/vfio/1"));
  machine.kernel->close_device(card);
  machine.stage->workers.resume();
  machine.wait_for(id, ClaimState::Released);
  CHECK(machine.kernel->bindings().at(card) == "e1000e override -");
}

TEST_CASE("A grace that is not over, and one without anything to unbind, waits") {
  const bool bound_before = GENERATE(true, false);
  ClaimMachine machine;
  if (bound_before) machine.stage->carry_out(bind_request(card));
  auto request = of({card});
  request.grace = bound_before ? std::chrono::seconds(0) : std::chrono::seconds(3600);
  const auto id = machine.made(request);
  machine.kernel->open_device(card, 4711, "vmm");
  CHECK(machine.release(id, true) == std::nullopt);
  CHECK(machine.state(id) == ClaimState::Releasing);
  CHECK(machine.claims->find(id)->release_operation.empty());
  CHECK(machine.claims->find(id)->holders.front().pid == 4711);
  machine.kernel->close_device(card);
  machine.wait_for(id, ClaimState::Released);
}

TEST_CASE("After its grace a claim waits for what the kernel cannot take back") {
  ClaimMachine machine;
  machine.stage->carry_out(bind_request(card));  // to stay on VFIO
  machine.kernel->give_reset(card);
  auto request = of({card, other});
  request.grace = std::chrono::seconds(0);
  const auto id = machine.made(request);
  machine.kernel->open_device(card, 4711, "vmm");
  CHECK(machine.release(id, true) == std::nullopt);
  CHECK(machine.state(id) == ClaimState::Releasing);
  CHECK(machine.claims->find(id)->release_operation.empty());
  machine.kernel->close_device(card);
  machine.wait_for(id, ClaimState::Released);
  CHECK(machine.kernel->bindings().at(other) == "igb override -");
  CHECK(machine.claims->find(id)->devices.front().reset == ResetOutcome::Done);
}

TEST_CASE("A descriptor that is in no process holds the end of a claim whose device stays on VFIO") {
  ClaimMachine machine;
  const bool stays = GENERATE(true, false);
  auto request = of({card});
  request.restore = !stays;
  const auto id = machine.made(request);
  machine.stage->ioctl.open_freely({"/dev/vfio/1"});  // the kernel opens a group once at a time
  CHECK(machine.release(id) == std::nullopt);
  // An unbinding makes every descriptor of it useless.
  CHECK(machine.state(id) == (stays ? ClaimState::Releasing : ClaimState::Released));
  if (stays) CHECK(machine.claims->find(id)->reason.find("no process") != std::string::npos);
  CHECK(machine.freed.size() == (stays ? 0 : 1));
  machine.stage->ioctl.open_freely();
  machine.wait_for(id, ClaimState::Released);
  CHECK(machine.freed == std::vector{id});
}

TEST_CASE("A grace goes by the time since the boot, however the clock is set") {
  Claim claim;
  CHECK_FALSE(is_grace_over(claim));
  begin_grace(claim);
  CHECK_FALSE(is_grace_over(claim));  // it has none
  claim.request.grace = std::chrono::seconds(60);
  claim.releasing_since = std::chrono::system_clock::now() - std::chrono::hours(1);
  CHECK_FALSE(is_grace_over(claim));
  claim.releasing_uptime = *claim.releasing_uptime - std::chrono::seconds(61);
  claim.releasing_since = std::chrono::system_clock::now() + std::chrono::hours(1);
  CHECK(is_grace_over(claim));
  claim.releasing_uptime = std::nullopt;  // of a daemon before
  CHECK_FALSE(is_grace_over(claim));
}

TEST_CASE("A claim ends when its time has run out, unless it is renewed") {
  ClaimMachine machine;
  auto request = of({card});
  request.ttl = std::chrono::seconds(1);
  const auto id = machine.made(request);
  const auto first = machine.claims->find(id)->expires_at;
  CHECK(machine.renew(id, std::chrono::seconds(2)));
  CHECK(machine.claims->find(id)->expires_at > first);
  machine.wait_for(id, ClaimState::Released);
  CHECK(std::chrono::system_clock::now() > *first);
  CHECK(machine.claims->find(id)->reason == "its time has run out");
  CHECK(machine.kernel->bindings().at(card) == "e1000e override -");
  CHECK(machine.renew(id).error().code == ErrorCode::ClaimNotActive);
}

TEST_CASE("A claim that is renewed for less ends sooner") {
  ClaimMachine machine;
  auto request = of({card});
  request.ttl = std::chrono::hours(24);
  const auto id = machine.made(request);
  CHECK(machine.renew(id, std::chrono::seconds(1)));
  machine.wait_for(id, ClaimState::Released);
}

TEST_CASE("A claim ends with its process") {
  ClaimMachine machine;
  auto request = of({card});
  request.pid = 4711;
  CHECK(machine.refused(request).error.code == ErrorCode::OwnerNotFound);
  machine.kernel->set_file("proc/4711/stat", "4711 (a (b) c) S 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 4242 0 0");
  const auto id = machine.made(request);
  CHECK(machine.claims->find(id)->process_start == 4242);
  const auto end = machine.watched.at(4711);
  end();
  machine.wait_for(id, ClaimState::Released);
  CHECK(machine.claims->find(id)->reason == "its process has ended");

  // Another process of the same number is not the one that the claim was made for.
  const auto next = machine.made(request);
  machine.kernel->set_file("proc/4711/stat", "4711 (other) S 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 9999 0 0");
  machine.restart();
  machine.wait_for(next, ClaimState::Released);
  CHECK(machine.kernel->bindings().at(card) == "e1000e override -");
}

TEST_CASE("A claim ends with the connection that made it, or with the last one that has renewed it") {
  ClaimMachine machine;
  auto request = of({card});
  request.while_connected = true;
  auto first = machine.connected();
  const auto id = machine.made(request);
  CHECK(machine.renew(id));  // once more by the same one
  auto second = machine.connected();
  CHECK(machine.renew(id));
  machine.close(first);
  CHECK(machine.state(id) == ClaimState::Active);
  machine.close(second);
  machine.wait_for(id, ClaimState::Released);
  CHECK(machine.claims->find(id)->reason == "its connection has closed");
  CHECK(machine.kernel->bindings().at(card) == "e1000e override -");
}

TEST_CASE("A connection that closes does not pull an open device away, and closing again changes nothing") {
  ClaimMachine machine;
  auto request = of({card});
  request.while_connected = true;
  const auto connection = machine.connected();
  const auto id = machine.made(request);
  machine.kernel->open_device(card, 4711, "vmm");
  machine.close(connection);
  run_until(machine.stage->io, [&] { return !machine.claims->find(id)->holders.empty(); });
  CHECK(machine.state(id) == ClaimState::Releasing);
  CHECK(machine.kernel->bindings().at(card).starts_with("vfio-pci"));
  machine.close(connection);
  machine.kernel->close_device(card);
  machine.wait_for(id, ClaimState::Released);
}

TEST_CASE("A connection that closes while its claim is being made ends it, once it is made") {
  ClaimMachine machine;
  auto request = of({card});
  request.while_connected = true;
  const auto connection = machine.connected();
  std::optional<ClaimOutcome> outcome;
  machine.claims->create(request, machine.requester(), false, [&](ClaimOutcome made) { outcome = std::move(made); });
  run_until(machine.stage->io, [&] { return !machine.claims->all().empty(); });
  const auto id = machine.claims->all().front()->id;
  CHECK(machine.state(id) == ClaimState::Preparing);
  machine.close(connection);
  machine.wait_for(id, ClaimState::Released);
  CHECK(machine.kernel->bindings().at(card) == "e1000e override -");
}

TEST_CASE("After a restart of the daemon a connection may come back in time; a claim that nobody comes for ends") {
  ClaimMachine machine;
  auto request = of({card});
  request.while_connected = true;
  auto lost = machine.connected();
  const auto id = machine.made(request);
  const auto forgotten = machine.made([&] {
    request.devices = {at("0000:08:00.0")};
    return request;
  }());
  machine.restart();
  const auto again = machine.connected();
  CHECK(machine.renew(id));
  machine.wait_for(forgotten, ClaimState::Released);
  CHECK(machine.claims->find(forgotten)->reason.starts_with("nobody has connected again"));
  CHECK(machine.state(id) == ClaimState::Active);
  machine.close(again);
  machine.wait_for(id, ClaimState::Released);
}

TEST_CASE("The same request with the same key is the same claim; another request with it is refused") {
  ClaimMachine machine;
  auto request = of({card});
  request.idempotency_key = "pod-7";
  const auto id = machine.made(request);
  const auto again = machine.create(request);
  CHECK(std::get<ClaimMade>(again).id == id);
  CHECK(std::get<ClaimMade>(again).existing);
  request.devices = {at(other)};
  CHECK(machine.refused(request).error.code == ErrorCode::KeyReused);
}

TEST_CASE("A key stands for its claim for a day after the end, also after a restart and for a dry run") {
  ClaimMachine machine;
  auto request = of({card});
  request.idempotency_key = "pod-7";
  const auto id = machine.made(request);
  CHECK_FALSE(machine.release(id));
  machine.kernel->forget_writes();
  for (const bool restarted : {false, true}) {
    if (restarted) machine.restart();
    for (const bool dry_run : {false, true}) {
      std::optional<ClaimOutcome> again;
      machine.claims->create(request, machine.requester(), dry_run,
                             [&again](ClaimOutcome made) { again = std::move(made); });
      run_until(machine.stage->io, [&again] { return again.has_value(); });
      CHECK(std::get<ClaimMade>(*again).id == id);
      CHECK(std::get<ClaimMade>(*again).existing);
      CHECK(machine.state(id) == ClaimState::Released);
    }
  }
  CHECK(machine.kernel->writes().empty());
  auto other_request = of({other});
  other_request.idempotency_key = "pod-7";
  CHECK(machine.refused(other_request).error.code == ErrorCode::KeyReused);

  auto claim = *machine.claims->find(id);
  CHECK(is_key_known(claim));
  *claim.ended_at -= std::chrono::hours(23);
  CHECK(is_key_known(claim));
  *claim.ended_at -= std::chrono::hours(1);
  CHECK_FALSE(is_key_known(claim));
  claim.state = ClaimState::Quarantined;
  CHECK(is_key_known(claim));
}

TEST_CASE("A claim that could not be made may be asked for again with its key") {
  ClaimMachine machine;
  auto request = of({card});
  request.idempotency_key = "pod-7";
  machine.stage->workers.fail_access(ENOTSUP);
  CHECK(machine.refused(request).error.errno_value == ENOTSUP);
  const auto failed = machine.claims->all().front()->id;
  machine.stage->workers.fail_access(0);
  machine.wait_for(failed, ClaimState::Released);
  CHECK(machine.made(request) != failed);
}

TEST_CASE("Who could use a node before a claim can after it") {
  ClaimMachine machine;
  const std::string node = "/dev/vfio/1";
  machine.kernel->set_file("dev/iommu", "");
  auto staying = of({card});
  staying.restore = false;
  CHECK(machine.release(machine.made(staying)) == std::nullopt);  // now the device is on VFIO without a claim
  CHECK(machine.stage->workers.grants().empty());
  auto& workers = machine.stage->workers;
  workers.give_access(node, "u1000");
  workers.give_access("/dev/iommu", "u1000");
  workers.give_access("/dev/iommu", "g44");
  auto request = of({card});
  request.owner.uids = {1000, 1001};
  const auto first = machine.made(request);
  const auto second = machine.made(of({"0000:08:00.0"}));
  CHECK(workers.grants().at("/dev/iommu") == std::set<std::string>{"u1000", "u1001", "g44"});
  CHECK(machine.release(first) == std::nullopt);
  CHECK(workers.grants().at(node) == std::set<std::string>{"u1000"});
  CHECK(machine.release(second) == std::nullopt);
  CHECK(workers.grants().at("/dev/iommu") == std::set<std::string>{"u1000", "g44"});
}

TEST_CASE("What one claim has given is not from before the next; a restart of the daemon forgets nothing of it") {
  ClaimMachine machine;
  machine.kernel->set_file("dev/iommu", "");
  const auto first = machine.made(of({card}));
  const auto second = machine.made(of({"0000:08:00.0"}));
  CHECK(machine.release(first) == std::nullopt);
  CHECK(machine.stage->workers.grants().at("/dev/iommu") == std::set<std::string>{"u1000"});
  CHECK(machine.release(second) == std::nullopt);
  CHECK(machine.stage->workers.grants().empty());
  machine.stage->workers.give_access("/dev/iommu", "u1000");
  const auto third = machine.made(of({card}));
  machine.restart();
  run_until(machine.stage->io, [&] { return machine.stage->workers.grants().contains("/dev/iommu"); });
  CHECK(machine.release(third) == std::nullopt);
  CHECK(machine.stage->workers.grants() == std::map<std::string, std::set<std::string>>{{"/dev/iommu", {"u1000"}}});
}

TEST_CASE("A claim that is still being made spares its owner nothing: it opens what it needs itself") {
  ClaimMachine machine;
  machine.kernel->set_file("dev/iommu", "");
  const auto first = machine.made(of({card}));
  const std::string unbinding = "sys/bus/pci/drivers/igb/unbind";
  machine.kernel->block(unbinding);
  const auto second = machine.made(of({other}));
  REQUIRE(machine.state(second) == ClaimState::Preparing);
  CHECK(machine.release(first) == std::nullopt);
  CHECK(machine.stage->workers.grants().empty());
  machine.kernel->unblock(unbinding);
  machine.stage->workers.resume();
  machine.wait_for(second, ClaimState::Active);
  CHECK(machine.stage->workers.grants().at("/dev/iommu") == std::set<std::string>{"u1000"});
  CHECK(machine.release(second) == std::nullopt);
  CHECK(machine.stage->workers.grants().empty());
}

TEST_CASE("After a restart the end of one claim spares what the owner of another has") {
  ClaimMachine machine;
  machine.kernel->set_file("dev/iommu", "");
  const auto ending = machine.made(of({card}));
  const auto staying = machine.made(of({other}));
  machine.kernel->open_device(card, 4711, "vmm");
  CHECK(machine.release(ending, true) == std::nullopt);
  machine.restart();
  machine.kernel->close_device(card);
  machine.wait_for(ending, ClaimState::Released);
  CHECK(machine.state(staying) == ClaimState::Active);
  CHECK(machine.stage->workers.grants().at("/dev/iommu") == std::set<std::string>{"u1000"});
  const Task taken{ChangeAccess{AccessChange::Revoke, {.uids = {1000}, .gids = {}}, "/dev/iommu"}};
  CHECK(std::ranges::count(machine.stage->workers.tasks(), taken) == 0);
}

TEST_CASE("Nobody is given the node of a card that has come in the place of his") {
  ClaimMachine machine;
  const auto id = machine.made(of({card}));
  machine.replace_card();
  const auto given = [&machine] {
    const Task grant{ChangeAccess{AccessChange::Grant, {.uids = {1000}, .gids = {}}, "/dev/vfio/1"}};
    return std::ranges::count(machine.stage->workers.tasks(), grant);
  };
  const auto before = given();
  CHECK(before == 1);
  machine.claims->nodes_changed();
  CHECK(machine.release(id) == std::nullopt);
  CHECK(given() == before);
  CHECK(machine.stage->workers.grants().empty());
}

TEST_CASE("Devices whose nodes could not be closed are not free before they are") {
  ClaimMachine machine;
  const auto id = machine.made(of({card}));
  machine.stage->workers.fail_access(EIO);
  CHECK(machine.release(id) == std::nullopt);
  machine.wait_for(id, ClaimState::Quarantined);
  CHECK(machine.acknowledge(id).error().errno_value == EIO);
  CHECK(machine.state(id) == ClaimState::Quarantined);
  machine.stage->workers.fail_access(0);
  CHECK(machine.acknowledge(id));
  CHECK(machine.state(id) == ClaimState::Released);
  CHECK(machine.stage->workers.grants().empty());
}

TEST_CASE("A node that came anew during a claim is closed to its owner, whoever could use the one before it") {
  ClaimMachine machine;
  machine.kernel->write("sys/bus/pci/devices/" + card + "/driver_override", "vfio-pci").value();
  machine.kernel->write("sys/bus/pci/drivers/e1000e/unbind", card).value();
  machine.kernel->write("sys/bus/pci/drivers/vfio-pci/bind", card).value();
  machine.stage->workers.give_access("/dev/vfio/1", "u1000");
  const auto id = machine.made(of({card}));
  machine.kernel->write("sys/bus/pci/drivers/vfio-pci/unbind", card).value();
  machine.kernel->write("sys/bus/pci/drivers/vfio-pci/bind", card).value();
  CHECK(machine.release(id) == std::nullopt);
  CHECK(machine.kernel->bindings().at(card) == "vfio-pci override vfio-pci");
  CHECK(machine.stage->workers.grants().empty());
}

TEST_CASE("Where it cannot be seen who has access, nobody is given any, and nobody loses it") {
  ClaimMachine machine;
  machine.kernel->set_file("dev/iommu", "");
  machine.stage->workers.give_access("/dev/iommu", "u1000");
  const auto before = machine.stage->workers.grants();
  machine.stage->workers.fail_finding_access(EIO);
  CHECK(machine.refused(of({card})).error.errno_value == EIO);
  machine.wait_for(machine.claims->all().front()->id, ClaimState::Released);
  CHECK(machine.stage->workers.grants() == before);
  CHECK(machine.kernel->bindings().at(card) == "e1000e override -");
}

TEST_CASE("Of a daemon that did not look who had access before, a claim takes all at its end") {
  ClaimMachine machine;
  machine.kernel->set_file("dev/iommu", "");
  machine.stage->workers.give_access("/dev/iommu", "u1000");
  const auto& made = *machine.claims->find(machine.made(of({card})));
  REQUIRE(made.earlier_access.value().size() == 1);
  auto document = to_json(made);
  CHECK(claim_from(document)->earlier_access->front().grantees.uids == std::vector<unsigned>{1000});
  document["earlier_access"] = nullptr;
  CHECK_FALSE(claim_from(document)->earlier_access);
  document.erase("earlier_access");
  CHECK(claim_from(document)->earlier_access.value().empty());
}

TEST_CASE("The same request by a selector, sent several times at once, is one claim") {
  ClaimMachine machine;
  auto request = some(2, 0x10d3);
  request.idempotency_key = "pod-7";
  std::vector<ClaimOutcome> answers;
  for (int i = 0; i < 3; ++i) {
    machine.claims->create(request, machine.requester(), false,
                           [&answers](ClaimOutcome answer) { answers.push_back(std::move(answer)); });
  }
  run_until(machine.stage->io, [&answers] { return answers.size() == 3; });
  const auto& claims = machine.claims->all();
  REQUIRE(claims.size() == 1);
  for (const auto& answer : answers) {
    const auto* made = std::get_if<ClaimMade>(&answer);
    REQUIRE(made != nullptr);
    CHECK(made->id == claims.front()->id);
  }
}

TEST_CASE("Who asks again while a claim is made is told when it could not be recorded") {
  ClaimMachine machine;
  change_database(machine, "CREATE TRIGGER no BEFORE INSERT ON claims BEGIN SELECT RAISE(ABORT,'full'); END");
  auto request = of({card});
  request.idempotency_key = "pod-7";
  std::vector<ClaimOutcome> answers;
  const auto take = [&answers](ClaimOutcome answer) { answers.push_back(std::move(answer)); };
  machine.claims->create(request, machine.requester(), false, take);
  run_until(machine.stage->io, [&] { return !machine.claims->all().empty(); });
  machine.claims->create(request, machine.requester(), false, take);
  run_until(machine.stage->io, [&answers] { return answers.size() == 2; });
  CHECK(std::get<Refusal>(answers[0]).error.code == ErrorCode::JournalFailed);
  CHECK(std::get<Refusal>(answers[1]).error.code == ErrorCode::ClaimNotActive);
  CHECK(machine.claims->all().empty());
}

TEST_CASE("A node that cannot be opened to the owner ends the claim") {
  ClaimMachine machine;
  machine.stage->workers.fail_access(ENOTSUP);
  CHECK(machine.refused(of({card})).error.errno_value == ENOTSUP);
  const auto id = machine.claims->all().front()->id;
  machine.stage->workers.fail_access(0);
  machine.wait_for(id, ClaimState::Released);
  CHECK(machine.kernel->bindings().at(card) == "e1000e override -");
}

TEST_CASE(
    "What a consumer reads is there as long as the claim is active; where it cannot be written there is no claim") {
  ClaimMachine machine;
  const auto id = machine.made(of({card}));
  CHECK(machine.published == std::set{id});
  machine.published.clear();
  machine.restart();
  run_until(machine.stage->io, [&] { return machine.published.contains(id); });
  machine.kernel->open_device(card, 4711, "vmm");
  machine.release(id, true);
  CHECK(machine.published.empty());
  machine.kernel->close_device(card);
  machine.wait_for(id, ClaimState::Released);
  machine.publish_errno = ENOSPC;
  CHECK(machine.refused(of({card})).error.errno_value == ENOSPC);
  machine.wait_for(machine.claims->all().back()->id, ClaimState::Released);
  CHECK(machine.kernel->bindings().at(card) == "e1000e override -");
}

TEST_CASE("An unknown owner is told by name, and nothing is bound") {
  ClaimMachine machine;
  auto request = of({card});
  request.owner.users = {"no-such-user-on-any-host"};
  const auto refused = machine.refused(request);
  CHECK(refused.error.code == ErrorCode::OwnerNotFound);
  CHECK(refused.error.message.find("no-such-user-on-any-host") != std::string::npos);
  request.owner.users = {"root"};
  request.owner.groups = {"root"};
  machine.made(request);
  CHECK(machine.stage->workers.grants().at("/dev/vfio/1") == std::set<std::string>{"u1000", "u0", "g0"});
  CHECK(machine.kernel->writes().size() == 3);
}

TEST_CASE("An active claim is there after a restart, its nodes are opened again, and its time goes on") {
  ClaimMachine machine;
  auto request = of({card});
  request.ttl = std::chrono::seconds(1);
  const auto id = machine.made(request);
  const auto token = machine.claims->find(id)->fencing_token;
  machine.restart();
  CHECK(machine.state(id) == ClaimState::Active);
  CHECK(codes(machine.stage->refused(bind_request(card, "igb")).evidence).front() == "claim.held");
  run_until(machine.stage->io, [&] { return machine.stage->workers.grants().contains("/dev/vfio/1"); });
  machine.wait_for(id, ClaimState::Released);
  CHECK(machine.claims->find(machine.made(of({card})))->fencing_token > token);
}

TEST_CASE("After a restart of the host a claim is lost, and holds nothing") {
  ClaimMachine machine;
  const auto id = machine.made(of({card}));
  machine.restart("boot-2");
  CHECK(machine.state(id) == ClaimState::Lost);
  CHECK(machine.claims->find(id)->reason == "the host was restarted while it was active");
  CHECK_NOTHROW(machine.made(of({other})));
}

TEST_CASE("Cut off after any write while it is made, a claim is active or over, and the devices agree", "[long]") {
  std::size_t points = 0;
  for (std::size_t writes = 0;; ++writes) {
    INFO("after write " << writes);
    ClaimMachine machine;
    const auto before = machine.kernel->bindings();
    bool answered = false;
    machine.claims->create(of({card, pair0}), {}, false, [&answered](const ClaimOutcome&) { answered = true; });
    run_until(machine.stage->io, [&] { return machine.kernel->writes().size() >= writes || answered; });
    if (answered) break;
    ++points;
    machine.restart();
    if (machine.claims->all().empty()) {  // the claim itself had not been recorded
      CHECK(machine.kernel->bindings() == before);
      continue;
    }
    const auto id = machine.claims->all().front()->id;
    run_until(machine.stage->io, [&] {
      return (machine.state(id) == ClaimState::Active || machine.state(id) == ClaimState::Released) &&
             !machine.stage->engine->operations().is_busy();
    });
    if (machine.state(id) == ClaimState::Active) {
      CHECK(machine.kernel->bindings().at(disk).starts_with("vfio-pci"));
      CHECK(machine.release(id) == std::nullopt);
    }
    CHECK(machine.state(id) == ClaimState::Released);
    CHECK(machine.kernel->bindings() == before);
  }
  CHECK(points > 8);
}

TEST_CASE("A claim that was being made when the daemon ended waits for its connection to come back, too") {
  bool seen = false;
  for (std::size_t writes = 0; !seen; ++writes) {
    ClaimMachine machine;
    auto request = of({card});
    request.while_connected = true;
    const auto connection = machine.connected();
    bool answered = false;
    machine.claims->create(request, machine.requester(), false, [&answered](const ClaimOutcome&) { answered = true; });
    run_until(machine.stage->io, [&] { return machine.kernel->writes().size() >= writes || answered; });
    REQUIRE_FALSE(answered);
    machine.restart();
    if (machine.claims->all().empty()) continue;
    const auto id = machine.claims->all().front()->id;
    run_until(machine.stage->io, [&] {
      return (machine.state(id) == ClaimState::Active || machine.state(id) == ClaimState::Released) &&
             !machine.stage->engine->operations().is_busy();
    });
    seen = machine.state(id) == ClaimState::Active;
    if (!seen) continue;
    const auto again = machine.connected();
    CHECK(machine.renew(id));
    machine.close(again);
    machine.wait_for(id, ClaimState::Released);
    CHECK(machine.claims->find(id)->reason == "its connection has closed");
  }
}

TEST_CASE("A connection that its claim has outlived, or that has outlived its claim, has nothing to end") {
  ClaimMachine machine;
  auto request = of({card});
  request.while_connected = true;
  const auto connection = machine.connected();
  const auto id = machine.made(request);
  CHECK_FALSE(connection->on_close.empty());
  CHECK(machine.release(id) == std::nullopt);
  CHECK(connection->on_close.empty());  // it may be closed for being idle again
}

TEST_CASE("Cut off after any write while it is released, a claim is released by the next daemon", "[long]") {
  std::size_t points = 0;
  for (std::size_t writes = 0;; ++writes) {
    INFO("after write " << writes);
    ClaimMachine machine;
    const auto before = machine.kernel->bindings();
    const auto id = machine.made(of({card, pair0}));
    for (const auto& address : {card, pair0}) machine.kernel->give_reset(address);
    machine.kernel->forget_writes();
    bool answered = false;
    machine.claims->release(id, {}, false, [&answered](const std::optional<Refusal>&) { answered = true; });
    run_until(machine.stage->io, [&] { return machine.kernel->writes().size() >= writes || answered; });
    if (answered) break;
    ++points;
    const bool begun = machine.state(id) == ClaimState::Releasing;
    machine.restart();
    if (!begun && machine.state(id) == ClaimState::Active) machine.release(id);
    machine.wait_for(id, ClaimState::Released);
    CHECK(machine.kernel->bindings() == before);
  }
  CHECK(points > 10);
}

TEST_CASE("A claim comes back from its document as it was; what is none gives none") {
  ClaimMachine machine;
  auto request = some(1);
  request.selector->vendor = 0x8086;
  request.labels = {{"vm", "42"}};
  request.ttl = std::chrono::seconds(60);
  request.while_connected = true;
  request.grace = std::chrono::seconds(5);
  const auto connection = machine.connected();
  request.idempotency_key = "key";
  const auto document = to_json(*machine.claims->find(machine.made(request)));
  const auto again = claim_from(document);
  REQUIRE(again);
  CHECK(to_json(*again) == document);
  CHECK_FALSE(claim_from(nlohmann::json::object()));
  CHECK_FALSE(claim_from(nlohmann::json("text")));
  auto damaged = document;
  damaged["state"] = "asleep";
  CHECK_FALSE(claim_from(damaged));
}

TEST_CASE("A selector can name the address, the firmware's label and the speed of the link") {
  ClaimMachine machine;
  const auto add = [&machine](const std::string& name, const std::string& content) {
    machine.kernel->set_file("sys/devices/pci0000:00/" + card + "/" + name, content + "\n");
  };
  add("label", "Onboard LAN");
  add("max_link_speed", "16.0 GT/s PCIe");
  add("current_link_speed", "8.0 GT/s PCIe");
  CHECK(chosen(machine, {.address = at(card)}) == card);
  CHECK(chosen(machine, {.label = "Onboard LAN"}) == card);
  CHECK(chosen(machine, {.device = 0x10d3, .link_speed = 8.0}) == card);
  CHECK(chosen(machine, {.device = 0x10d3, .label = "LAN2"}).contains("the firmware's name for it is"));
  CHECK(chosen(machine, {.address = at(card), .link_speed = 16.0}).contains("the speed of its link is 8.0 GT/s PCIe"));
  CHECK(chosen(machine, {.address = at(pair0), .link_speed = 2.5}).contains("unknown"));
}

TEST_CASE("Devices of one switch are below one root port") {
  ClaimMachine machine;
  for (const std::string root : {"0000:40:00.0", "0000:50:00.0"}) {
    machine.kernel->add_device({.address = root, .device = 0x3420, .class_code = 0x060400});
    const unsigned first = root.starts_with("0000:40") ? 40 : 50;
    for (unsigned number = first; number < (first == 40 ? 41U : 52U); ++number) {
      machine.kernel->add_device({.address = root.substr(0, 8) + "01." + std::to_string(number - first),
                                  .device = 0x1521,
                                  .group = number,
                                  .driver = "igb",
                                  .parent = root});
    }
  }
  const auto root_at = [&machine](std::string_view address) {
    return root_of(machine.stage->engine->find_device(at(address)).value());
  };
  CHECK(root_at("0000:50:01.1") == "0000:50:00.0");
  CHECK(root_at(card) == card);
  CHECK(chosen(machine, {.device = 0x1521, .count = 2}) == "0000:40:01.0 0000:50:01.0");
  CHECK(chosen(machine, {.device = 0x1521, .same_switch = true, .count = 2}) == "0000:50:01.0 0000:50:01.1");
  CHECK(chosen(machine, {.device = 0x1521, .same_switch = true, .count = 3}).contains("below one root port"));
}

}  // namespace devbindd::claims_test

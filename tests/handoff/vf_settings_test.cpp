// SPDX-License-Identifier: Apache-2.0
// Settings of VFs through a change of their number, its undo, bindings and claims, on a kernel that forgets them with
// the VFs.
#include <algorithm>
#include <cerrno>

#include "handoff/claim/claims.hpp"
#include "tests/catch2.hpp"
#include "tests/handoff/documents.hpp"
#include "tests/handoff/stage.hpp"

namespace devbindd::vf_settings_test {

namespace {

using namespace devbindd;
using namespace devbindd::handoff;
using namespace devbindd::tests;

const std::string nothing = "mac 00:00:00:00:00:00 vlan 0 qos 0 proto 802.1Q";
const std::string tenant_a = "mac 52:54:00:00:00:0a vlan 10 qos 0 proto 802.1Q";
const std::string tenant_b = "mac 52:54:00:00:00:0b vlan 20 qos 3 proto 802.1ad";

// The PF has an interface, by which its driver can be told of its VFs.
std::shared_ptr<FakeKernel> machine_with_interface() {
  auto kernel = usual_machine();
  kernel->add_device(
      {.address = physical, .device = 0x10c9, .group = 11, .driver = "igb", .interfaces = {"pf0"}, .totalvfs = 4});
  return kernel;
}

struct Machine {
  Machine() : stage(machine_with_interface()) {
    stage.carry_out(functions_request(physical, 2, ""));
    tell(0, tenant_a);
    tell(1, tenant_b);
    stage.kernel.forget_writes();
  }
  void tell(unsigned index, const std::string& settings) {
    REQUIRE(stage.kernel.set_vf_settings("pf0", index, sysfs::vf_settings_from(settings).value()) == 0);
  }
  std::vector<std::string> told() const {
    std::vector<std::string> texts;
    for (const auto& [index, settings] : stage.kernel.vf_settings("pf0")) texts.push_back(sysfs::to_text(settings));
    return texts;
  }
  std::vector<std::string> warnings(const ChangeRequest& request) {
    const auto decision = stage.decide(request, true);
    std::vector<std::string> texts;
    for (const auto& item : std::get<Preview>(decision).plan.evidence) {
      if (item.code == "sriov.settings_lost") texts.push_back(item.detail);
    }
    return texts;
  }

  Stage stage;
};

/// Daemons on one kernel and one journal, the next one when the last was cut off.
struct Lives {
  Lives() { restart(); }
  void restart() {
    stage.reset();
    stage = std::make_unique<Stage>(kernel, (directory.path() / "state.db").string(), "boot-1");
  }
  TemporaryDirectory directory;
  std::shared_ptr<FakeKernel> kernel = machine_with_interface();
  std::unique_ptr<Stage> stage;
};

using Texts = std::vector<std::string>;

}  // namespace

TEST_CASE("Settings of VFs come back after a way by 0, before a driver takes the VF") {
  Machine machine;
  const auto document = machine.stage.carry_out(functions_request(physical, 3));
  INFO(document.dump(1));
  CHECK(document["state"] == "succeeded");
  CHECK(machine.told() == Texts{tenant_a, tenant_b, nothing});
  std::size_t told = 0;
  std::size_t bound = 0;
  const auto& writes = machine.stage.kernel.writes();
  for (std::size_t at = 0; at < writes.size(); ++at) {
    if (writes[at].path == "rtnetlink/pf0/vf1") told = at;
    if (writes[at].path.ends_with("/bind") && writes[at].value == vf0) bound = at;
  }
  CHECK(told > 0);
  CHECK(told < bound);
  CHECK(document["devices"][1]["vf_settings_before"] == tenant_a);
  CHECK(document["devices"][1]["vf_settings_after"] == tenant_a);
  CHECK(document["devices"][3]["vf_settings_after"].is_null());
}

TEST_CASE("They come back too where the kernel chooses the driver") {
  Machine machine;
  CHECK(machine.stage.carry_out(functions_request(physical, 3, ""))["state"] == "succeeded");
  CHECK(machine.told() == Texts{tenant_a, tenant_b, nothing});
  std::vector<std::string> order;
  for (const auto& write : machine.stage.kernel.writes()) {
    if (write.path.starts_with("rtnetlink/") || write.path.ends_with("/drivers_probe"))
      order.push_back(write.path.starts_with("rtnetlink/") ? "told" : "probed");
  }
  CHECK(order == Texts{"told", "told", "probed", "probed", "probed"});
  CHECK(machine.stage.kernel.bindings().at(vf1) == "igbvf override -");
  CHECK(machine.stage.kernel.bindings().at(physical) == "igb override -");
}

TEST_CASE("A VF that does not come back takes its settings along, which is said") {
  Machine machine;
  const auto gone = machine.warnings(functions_request(physical, 1));
  REQUIRE(gone.size() == 1);
  CHECK(gone.front().find(tenant_b) != std::string::npos);
  CHECK(machine.warnings(functions_request(physical, 0, "")).size() == 2);
  CHECK(machine.warnings(functions_request(physical, 4, "")).empty());
  machine.tell(1, nothing);
  CHECK(machine.warnings(functions_request(physical, 1)).empty());
  CHECK(machine.stage.carry_out(functions_request(physical, 1))["state"] == "succeeded");
  CHECK(machine.told() == Texts{tenant_a});
}

TEST_CASE("Whatever write fails, the settings are as before", "[long]") {
  std::size_t failed = 0;
  for (std::size_t n = 1; n < 40; ++n) {
    Machine machine;
    machine.stage.kernel.fail_nth_write(n, EIO);
    const auto document = machine.stage.carry_out(functions_request(physical, 3));
    CAPTURE(n, document.dump(1));
    if (document["state"] == "succeeded") break;
    ++failed;
    CHECK(document["error"]["restored"] == true);
    CHECK(machine.told() == Texts{tenant_a, tenant_b});
    CHECK(machine.stage.kernel.bindings().at(vf0) == "igbvf override -");
  }
  CHECK(failed >= 9);
}

TEST_CASE("Settings that the undo cannot bring back are told, with what they were") {
  Machine machine;
  machine.stage.kernel.refuse_settings(EPERM);
  const auto document = machine.stage.carry_out(functions_request(physical, 3));
  INFO(document.dump(1));
  CHECK(document["state"] == "failed");
  CHECK(document["error"]["code"] == "restore_failed");
  CHECK(document["error"]["restored"] == false);
  CHECK(document["error"]["unrestored"] == std::vector<std::string>{vf0, vf1});
  CHECK(document["error"]["undo_failures"].dump().find(tenant_b) != std::string::npos);
  CHECK(machine.stage.kernel.bindings().at(vf0) == "igbvf override -");
}

TEST_CASE("Cut off after any write, the next daemon brings the settings to where they belong", "[long]") {
  const auto bound = bind_request(vf0);
  const std::vector<std::pair<std::vector<ChangeRequest>, ChangeRequest>> ways = {
      {{}, functions_request(physical, 3)},
      {{}, functions_request(physical, 3, "")},
      {{functions_request(physical, 2)}, functions_request(physical, 4)},
      {{bound}, request_of(ChangeKind::Restore, vf0)},
  };
  std::size_t points = 0;
  for (const auto& [before, request] : ways) {
    for (std::size_t writes = 0;; ++writes) {
      Lives lives;
      lives.stage->carry_out(functions_request(physical, 2, ""));
      const auto tell = [&lives](unsigned index, const std::string& text) {
        REQUIRE(lives.kernel->set_vf_settings("pf0", index, sysfs::vf_settings_from(text).value()) == 0);
      };
      tell(0, tenant_a);
      tell(1, tenant_b);
      for (const auto& earlier : before) lives.stage->carry_out(earlier);
      const bool restores = request.kind == ChangeKind::Restore;
      if (restores) tell(0, tenant_b);
      const auto id = std::get<Accepted>(lives.stage->decide(request)).operation;
      lives.kernel->forget_writes();
      const auto ended = [&] { return document_of(*lives.stage->engine, id)["state"] != "running"; };
      run_until(lives.stage->io, [&] { return lives.kernel->writes().size() >= writes || ended(); });
      if (ended()) break;
      ++points;
      lives.restart();
      const auto document = lives.stage->settled(id);
      CAPTURE(points, writes, document.dump(1));
      const bool forward = document["state"] == "succeeded";
      CHECK((forward || document["error"]["restored"] == true));
      const auto told = lives.kernel->vf_settings("pf0");
      CHECK(sysfs::to_text(told.at(0)) == (restores && !forward ? tenant_b : tenant_a));
      CHECK(sysfs::to_text(told.at(1)) == tenant_b);
    }
  }
  CHECK(points > 25);
}

TEST_CASE("Settings that cannot be read are told, and nothing else is lost") {
  Machine machine;
  machine.stage.workers.fail_settings(EBUSY);
  const auto unread = machine.warnings(functions_request(physical, 3));
  REQUIRE(unread.size() == 1);
  CHECK(unread.front().find("cannot read") != std::string::npos);
  CHECK(machine.stage.carry_out(functions_request(physical, 3))["state"] == "succeeded");
  CHECK(machine.told() == Texts{nothing, nothing, nothing});
}

TEST_CASE("Without the right to set them, settings are not promised, and nothing fails over them") {
  Machine machine;
  machine.stage.workers.take_right_to_set();
  const auto unread = machine.warnings(functions_request(physical, 3));
  REQUIRE(unread.size() == 1);
  CHECK(unread.front().find("CAP_NET_ADMIN") != std::string::npos);
  CHECK(machine.stage.carry_out(functions_request(physical, 3))["state"] == "succeeded");
  CHECK(machine.stage.carry_out(request_of(ChangeKind::Unbind, vf0))["state"] == "succeeded");
}

TEST_CASE("A give-back brings back what a VF was told before it was bound") {
  Machine machine;
  CHECK(machine.stage.carry_out(bind_request(vf0))["state"] == "succeeded");
  CHECK(machine.told() == Texts{tenant_a, tenant_b});
  machine.tell(0, tenant_b);
  machine.stage.kernel.forget_writes();
  CHECK(machine.stage.carry_out(request_of(ChangeKind::Restore, vf0))["state"] == "succeeded");
  CHECK(machine.told() == Texts{tenant_a, tenant_b});
  CHECK(machine.stage.kernel.bindings().at(vf0) == "igbvf override -");
}

TEST_CASE("A give-back goes on where the driver refuses the settings, and says what they were") {
  Machine machine;
  machine.stage.carry_out(bind_request(vf0));
  machine.tell(0, tenant_b);
  machine.stage.kernel.refuse_settings(EOPNOTSUPP);
  const auto document = machine.stage.carry_out(request_of(ChangeKind::Restore, vf0));
  INFO(document.dump(1));
  CHECK(document["state"] == "succeeded");
  CHECK(machine.stage.kernel.bindings().at(vf0) == "igbvf override -");
  const auto& told = document["evidence"].back();
  CHECK(told["code"] == "sriov.settings_lost");
  CHECK(told["detail"].get<std::string>().find(tenant_a) != std::string::npos);
  const auto& step = *std::ranges::find(document["steps"], "set_vf_settings",
                                        [](const auto& item) { return item["action"].template get<std::string>(); });
  CHECK(step["state"] == "failed");
  CHECK(step["errno"] == "EOPNOTSUPP");
}

TEST_CASE("A give-back that cannot read the settings any more says what they were") {
  Machine machine;
  machine.stage.carry_out(bind_request(vf0));
  machine.stage.workers.fail_settings(EIO);
  const auto told = machine.warnings(request_of(ChangeKind::Restore, vf0));
  REQUIRE(told.size() == 1);
  CHECK(told.front().find(tenant_a) != std::string::npos);
  CHECK(machine.stage.carry_out(request_of(ChangeKind::Restore, vf0))["state"] == "succeeded");
}

TEST_CASE("VFs that a daemon has destroyed come back by the next one, also where their settings are refused") {
  Lives lives;
  lives.stage->carry_out(functions_request(physical, 2, ""));
  REQUIRE(lives.kernel->set_vf_settings("pf0", 1, sysfs::vf_settings_from(tenant_b).value()) == 0);
  const auto id = std::get<Accepted>(lives.stage->decide(functions_request(physical, 3))).operation;
  run_until(lives.stage->io, [&] { return !lives.kernel->has_device(vf0); });
  lives.kernel->refuse_settings(EPERM);
  lives.restart();
  const auto document = lives.stage->settled(id);
  INFO(document.dump(1));
  CHECK(document["error"]["code"] == "interrupted");
  CHECK(lives.kernel->bindings().at(vf0) == "igbvf override -");
  CHECK(lives.kernel->bindings().at(vf1) == "igbvf override -");
  CHECK(document["evidence"].dump().find(tenant_b) != std::string::npos);
}

TEST_CASE("An interface that knows no VFs is not the one to ask") {
  Machine machine;
  machine.stage.kernel.add_interface(physical, "aaa-representor");
  CHECK(machine.stage.carry_out(functions_request(physical, 3))["state"] == "succeeded");
  CHECK(machine.told() == Texts{tenant_a, tenant_b, nothing});
}

TEST_CASE("The end of a claim brings back what a VF was told before it, whoever had bound it") {
  const bool bound_before = GENERATE(true, false);
  Machine machine;
  if (bound_before) machine.stage.carry_out(functions_request(physical, 2));
  Claims claims(*machine.stage.engine, {});
  ClaimRequest request;
  request.devices = {at(vf0)};
  std::optional<std::string> made;
  claims.create(request, {}, false, [&](const ClaimOutcome& outcome) {
    if (const auto* claim = std::get_if<ClaimMade>(&outcome)) made = claim->id;
  });
  run_until(machine.stage.io, [&] { return made.has_value(); });
  machine.tell(0, tenant_b);
  claims.release(*made, {}, false, [](const std::optional<Refusal>&) {});
  run_until(machine.stage.io, [&] { return claims.find(*made)->state == ClaimState::Released; });
  CHECK(machine.told() == Texts{tenant_a, tenant_b});
  CHECK(machine.stage.kernel.bindings().at(vf0) == (bound_before ? "vfio-pci override vfio-pci" : "igbvf override -"));
}

}  // namespace devbindd::vf_settings_test

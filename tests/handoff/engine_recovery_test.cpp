// SPDX-License-Identifier: Apache-2.0
// What a new daemon does about the operations that an earlier one left unfinished: cut off after every single write.
#include <cerrno>

#include "handoff/journal/operation_document.hpp"
#include "tests/catch2.hpp"
#include "tests/handoff/documents.hpp"
#include "tests/handoff/stage.hpp"

namespace devbindd::engine_recovery_test {

namespace {

using namespace devbindd;
using namespace devbindd::handoff;
using namespace devbindd::tests;

/// Each life of the daemon is a Stage on one kernel and one journal.
struct Machine {
  Machine() { restart(); }
  void restart(const std::string& boot_id = "boot-1") {
    stage.reset();
    stage = std::make_unique<Stage>(kernel, (directory.path() / "state.db").string(), boot_id);
  }

  /// Begins the request and ends the daemon when `writes` more writes have reached the kernel, or when it has ended by
  /// itself. Returns the operation's id, and whether it was cut off.
  std::pair<std::string, bool> cut_off(ChangeRequest request, std::size_t writes) {
    const auto id = std::get<Accepted>(stage->decide(std::move(request))).operation;
    kernel->forget_writes();
    const auto ended = [&] { return document_of(*stage->engine, id)["state"] != "running"; };
    run_until(stage->io, [&] { return kernel->writes().size() >= writes || ended(); });
    return {id, !ended()};
  }

  TemporaryDirectory directory;
  std::shared_ptr<FakeKernel> kernel = sriov_machine();
  std::unique_ptr<Stage> stage;
};

ChangeRequest override_request(std::string_view address, std::string_view driver) {
  auto request = bind_request(address, driver);
  request.kind = ChangeKind::SetOverride;
  return request;
}

struct Way {
  std::string what;
  std::vector<ChangeRequest> before;  ///< carried out to the end first
  ChangeRequest request;
};

std::vector<Way> ways() {
  const auto group = bind_request("0000:07:00.0", "vfio-pci", Scope::Group);
  return {
      {"bind one", {}, bind_request(card)},
      {"bind a group", {}, group},
      {"give one back", {bind_request(card)}, request_of(ChangeKind::Restore, card)},
      {"give a group back", {group}, request_of(ChangeKind::Restore, "0000:07:00.0")},
      {"unbind", {}, request_of(ChangeKind::Unbind, card)},
      {"set an override", {}, override_request(card, "vfio-pci")},
      {"clear an override", {override_request(card, "vfio-pci")}, request_of(ChangeKind::ClearOverride, card)},
      {"bind by new_id", {}, new_id_request("0000:08:00.0")},
      {"bind over two groups", {}, transaction({bind_request(card), group})},
      {"give back over two groups",
       {transaction({bind_request(card), group})},
       transaction({request_of(ChangeKind::Restore, card), request_of(ChangeKind::Restore, "0000:07:00.0")})},
      {"create VFs", {}, functions_request(physical, 2)},
      {"destroy VFs", {functions_request(physical, 2)}, functions_request(physical, 0, "")},
      {"more VFs", {functions_request(physical, 1, ""), bind_request(vf0)}, functions_request(physical, 3)},
      {"fewer VFs, for the kernel", {functions_request(physical, 2)}, functions_request(physical, 1, "")},
      {"VFs that stay go to VFIO", {functions_request(physical, 2, "")}, functions_request(physical, 2)},
  };
}

}  // namespace

TEST_CASE("Cut off after any write, every operation ends as asked for or as it was before, and says which", "[long]") {
  std::size_t points = 0;
  for (const auto& way : ways()) {
    for (std::size_t writes = 0;; ++writes) {
      INFO(way.what << ", after write " << writes);
      Machine machine;
      for (const auto& earlier : way.before) machine.stage->carry_out(earlier);
      const auto before = machine.kernel->bindings();
      const auto known = machine.stage->engine->originals().all();
      const auto [id, cut] = machine.cut_off(way.request, writes);
      if (!cut) break;
      ++points;
      machine.restart();
      const auto document = machine.stage->settled(id);
      const bool forward = document["state"] == "succeeded";
      if (!forward) {
        CHECK(document["state"] == "failed");
        CHECK(document["error"]["code"] == "interrupted");
        CHECK(document["error"]["restored"] == true);
        CHECK(machine.kernel->bindings() == before);
        CHECK(machine.stage->engine->originals().all() == known);
      }
      for (const auto& device : document["devices"]) {
        const auto address = device["address"].get<std::string>();
        REQUIRE(machine.kernel->has_device(address) == device[forward ? "present_after" : "present_before"]);
        if (!machine.kernel->has_device(address) || (forward && device["kernel_chooses"] == true)) continue;
        const auto& driver = device[forward ? "driver_after" : "driver_before"];
        CHECK(machine.kernel->device(address).driver.value_or("") ==
              (driver.is_null() ? std::string() : driver.get<std::string>()));
      }
      for (const auto& driver : {"vfio-pci", "e1000e"}) CHECK(machine.kernel->driver(driver)->dynamic_ids.empty());
      CHECK(documents_of(*machine.stage->engine, "running").empty());
      CHECK(documents_of(*machine.stage->engine, "interrupted").empty());
      machine.restart();
      CHECK(document_of(*machine.stage->engine, id) == document);
    }
  }
  CHECK(points > 25);
}

namespace {

// A process that has a worker's lock, or only a worker's name.
void add_leftover(FakeKernel& kernel, const std::string& label, bool locked = true,
                  const std::string& state = "D (disk sleep)") {
  const std::string zero(1, '\0');
  kernel.set_file("proc/77/comm", "devbindd-worker\n");
  kernel.set_file("proc/77/status", "Name:\tdevbindd-worker\nState:\t" + state + "\nPPid:\t4\nUid:\t0\n");
  kernel.set_file("proc/77/cmdline",
                  "/proc/self/exe" + zero + "--worker" + zero + "/var/lib/devbindd/workers" + zero + label + zero);
  kernel.set_file("proc/77/wchan", "vfio_unregister_group_dev");
  if (locked) kernel.set_file("test/lock-holders", "77 1 78");  // this daemon itself, and one that has ended meanwhile
}

}  // namespace

TEST_CASE("What a worker of the earlier daemon still does is waited for") {
  Machine machine;
  const auto before = machine.kernel->bindings();
  const auto id = machine.cut_off(bind_request(card), 1).first;
  machine.stage.reset();
  machine.kernel->set_file("proc/1/status", "Name:\tdevbindd\nState:\tR (running)\nPPid:\t1\n");
  SECTION("it works on the device") {
    add_leftover(*machine.kernel, card + "   ");
    machine.restart();
    const auto document = document_of(*machine.stage->engine, id);
    CHECK(document["state"] == "blocked");
    CHECK(document["blocked"]["worker_pid"] == 77);
    CHECK(document["blocked"]["wait_channel"] == "vfio_unregister_group_dev");
    const auto refusal = machine.stage->refused(bind_request(card));
    CHECK(refusal.error.code == sysfs::ErrorCode::OperationInProgress);
    CHECK(refusal.operation == id);
    CHECK(machine.stage->carry_out(bind_request("0000:08:00.0"))["state"] == "succeeded");
    CHECK(machine.stage->ended_leftovers.empty());
    machine.kernel->set_file("test/lock-holders", "");
    run_until(machine.stage->io, [&] { return document_of(*machine.stage->engine, id)["state"] == "failed"; });
    machine.stage->carry_out(request_of(ChangeKind::Restore, "0000:08:00.0"));
    CHECK(machine.kernel->bindings() == before);
  }
  SECTION("it works on another device") { add_leftover(*machine.kernel, "0000:08:00.0"); }
  SECTION("it works on something else") { add_leftover(*machine.kernel, "vfio_iommu_type1"); }
  SECTION("it has not taken up its task, and will not any more") { add_leftover(*machine.kernel, "idle"); }
  SECTION("it only has the name and the command line of one") { add_leftover(*machine.kernel, card, false); }
  if (!machine.stage) {
    machine.restart();
    CHECK(machine.stage->settled(id)["state"] == "failed");
    CHECK(machine.kernel->bindings() == before);
    CHECK(machine.stage->ended_leftovers.empty());
  }
}

TEST_CASE("A worker of the earlier daemon that is stopped is ended, since it might never go on") {
  Machine machine;
  const auto id = machine.cut_off(bind_request(card), 1).first;
  machine.stage.reset();
  add_leftover(*machine.kernel, card, true, "T (stopped)");
  machine.restart();
  CHECK(document_of(*machine.stage->engine, id)["blocked"]["worker_pid"] == 77);
  CHECK(machine.stage->ended_leftovers == std::vector<std::int32_t>{77});
  machine.kernel->set_file("test/lock-holders", "");
  run_until(machine.stage->io, [&] { return document_of(*machine.stage->engine, id)["state"] == "failed"; });
}

TEST_CASE("A worker that does not tell what it works on may work on anything") {
  Machine machine;
  const auto id = machine.cut_off(bind_request(card), 1).first;
  machine.stage.reset();
  machine.kernel->set_file("test/lock-holders", "0");  // of another PID namespace
  machine.restart();
  CHECK(document_of(*machine.stage->engine, id)["state"] == "blocked");
}

TEST_CASE("A device in use is left as it is, and the operation says why") {
  Machine machine;
  const auto id = machine.cut_off(bind_request("0000:07:00.0", "vfio-pci", Scope::Group), 6).first;
  machine.stage.reset();
  REQUIRE(machine.kernel->device("0000:07:00.0").driver == "vfio-pci");
  machine.kernel->open_device("0000:07:00.0", 4711, "qemu");
  const auto writes = machine.kernel->writes().size();
  machine.restart();
  const auto document = machine.stage->settled(id);
  CHECK(document["state"] == "interrupted");
  CHECK(document["error"]["restored"] == false);
  CHECK(document["error"]["detail"].get<std::string>().find("qemu") != std::string::npos);
  CHECK(machine.kernel->writes().size() == writes);
  machine.kernel->close_device("0000:07:00.0");
  CHECK(machine.stage->carry_out(request_of(ChangeKind::Restore, "0000:07:00.0"))["state"] == "succeeded");
  CHECK(machine.kernel->device("0000:07:00.0").driver == "e1000e");
}

TEST_CASE("VFs that went with their PF's driver are told, though the driver is back") {
  Machine machine;
  machine.stage->carry_out(functions_request(physical, 2, ""));
  const auto request = accepting(request_of(ChangeKind::Unbind, physical), {"sriov.vfs_enabled"});
  auto both = transaction({bind_request(card), request});
  both.items[1].accept_risks = both.accept_risks = request.accept_risks;
  std::swap(both.items[0], both.items[1]);
  const auto id = machine.cut_off(both, 2).first;
  machine.restart();
  const auto document = machine.stage->settled(id);
  INFO(document.dump(1));
  CHECK(machine.kernel->device(physical).driver == "igb");
  CHECK(document["error"]["restored"] == false);
  CHECK(document["error"]["undo_failures"].size() == 1);
  CHECK(document["error"]["unrestored"].size() > 0);
}

TEST_CASE("A device that is gone ends its operation") {
  Machine machine;
  const auto id = machine.cut_off(bind_request(card), 2).first;
  machine.stage.reset();
  machine.kernel->remove_device(card);
  machine.restart();
  const auto document = machine.stage->settled(id);
  CHECK(document["state"] == "failed");
  CHECK(document["error"]["code"] == "device_gone");
  CHECK(document["error"]["restored"] == false);
}

TEST_CASE("A reboot has undone everything by itself") {
  Machine machine;
  const auto id = machine.cut_off(bind_request(card), 2).first;
  machine.stage.reset();
  machine.kernel->forget_writes();
  machine.restart("boot-2");
  const auto document = machine.stage->settled(id);
  CHECK(document["state"] == "failed");
  CHECK(document["error"]["restored"] == true);
  CHECK(machine.kernel->writes().empty());
}

TEST_CASE("A recovery that fails says so, and can be asked for again") {
  Machine machine;
  const auto before = machine.kernel->bindings();
  const auto id = machine.cut_off(bind_request(card), 2).first;
  machine.stage.reset();
  machine.kernel->refuse_probe("e1000e", card, EIO);
  machine.restart();
  const auto document = machine.stage->settled(id);
  CHECK(document["state"] == "interrupted");
  CHECK(document["error"]["restored"] == false);
  CHECK_FALSE(document["error"]["next_step"].is_null());
  machine.kernel->refuse_probe("e1000e", card, 0);
  CHECK(machine.stage->carry_out(request_of(ChangeKind::Restore, card))["state"] == "succeeded");
  CHECK(machine.kernel->bindings() == before);
}

TEST_CASE("A recovery that is cut off itself is taken up by the next daemon") {
  for (std::size_t writes = 0; writes < 3; ++writes) {
    INFO(writes);
    Machine machine;
    const auto before = machine.kernel->bindings();
    const auto id = machine.cut_off(bind_request(card), 2).first;
    machine.restart();
    machine.kernel->forget_writes();
    run_until(machine.stage->io, [&] { return machine.kernel->writes().size() >= writes; });
    machine.restart();
    CHECK(machine.stage->settled(id)["state"] == "failed");
    CHECK(machine.kernel->bindings() == before);
  }
}

TEST_CASE("An operation read back from its document is the one that was written") {
  Stage stage(usual_machine());
  for (const auto& request : {new_id_request("0000:08:00.0"), bind_request("0000:07:00.0", "vfio-pci", Scope::Group),
                              request_of(ChangeKind::Restore, "0000:08:00.0"), override_request(card, "nothing")}) {
    const auto document = stage.carry_out(request);
    const auto operation = operation_from(document);
    REQUIRE(operation);
    CHECK(operation->id == document["id"].get<std::string>());
    REQUIRE(operation->steps.size() == document["steps"].size());
    for (std::size_t at = 0; at < operation->steps.size(); ++at) {
      const auto write = sysfs::write_of(operation->steps[at].planned.step);
      CHECK(write.path == document["steps"][at]["path"].get<std::string>());
      CHECK(write.value == document["steps"][at]["value"].get<std::string>());
      CHECK(operation->steps[at].planned.undo.size() == document["steps"][at]["undo"].size());
    }
    CHECK(operation->transitions.size() == document["devices"].size());
    CHECK(to_json(*operation) == document);
  }
  for (const auto* text : {"null", "[]", "{}", "5", R"({"id":1})", R"({"id":"x","kind":"bind","created_at":"never"})"})
    CHECK_FALSE(operation_from(nlohmann::json::parse(text)));
}

}  // namespace devbindd::engine_recovery_test

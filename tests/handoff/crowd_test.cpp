// SPDX-License-Identifier: Apache-2.0
// Many readers that ask beside one who changes things: real worker processes on a directory, whose drivers take devices
// and leave them.
#include <algorithm>
#include <filesystem>
#include <fstream>

#include "handoff/worker/worker_pool.hpp"
#include "sysfs/kernel/linux_tree.hpp"
#include "tests/catch2.hpp"
#include "tests/handoff/documents.hpp"
#include "tests/handoff/stage.hpp"
#include "tests/test_paths.hpp"

namespace devbindd::crowd_test {

namespace {

using namespace devbindd;
using namespace devbindd::handoff;
using namespace devbindd::tests;
namespace fs = std::filesystem;

constexpr unsigned cards = 41;
constexpr int readers = 60;
constexpr int changes = 12;

std::string card_at(unsigned number) {
  return sysfs::to_string(sysfs::PciAddress{0, static_cast<std::uint8_t>(1 + number), 0, 0});
}

void make_file(const fs::path& path, const std::string& content) {
  fs::create_directories(path.parent_path());
  std::ofstream(path) << content;
}

// Each card alone in its group, on a driver of the host.
void make_machine(const fs::path& root) {
  fs::create_directories(root / "proc");
  for (const auto* driver : {"first", "second"}) {
    for (const auto* file : {"bind", "unbind"}) make_file(root / "sys/bus/pci/drivers" / driver / file, "");
  }
  for (unsigned number = 0; number < cards; ++number) {
    const auto device = root / "sys/bus/pci/devices" / card_at(number);
    const auto group = root / "sys/kernel/iommu_groups" / std::to_string(number);
    fs::create_directories(group / "devices" / card_at(number));
    make_file(device / "vendor", "0x8086\n");
    make_file(device / "device", "0x10d3\n");
    make_file(device / "class", "0x0c0500\n");
    make_file(device / "enable", "0\n");
    make_file(device / "driver_override", "(null)\n");
    fs::create_directory_symlink(group, device / "iommu_group");
    fs::create_directory_symlink(root / "sys/bus/pci/drivers/first", device / "driver");
  }
}

struct Crowd {
  Crowd()
      : tree((make_machine(directory.path()), sysfs::LinuxTree::open(directory.path().string()).value())),
        pool(io, {.command = {worker_program, directory.path().string(), (directory.path() / "locks").string(),
                              "drivers"}}),
        inventory(tree) {
    REQUIRE(pool.start());
    journal = Journal::open(":memory:", "boot", [this](std::function<void()> work) {
                boost::asio::post(io, std::move(work));
              }).value();
    engine = std::make_unique<Engine>(Engine::Services{
        .tree = tree,
        .inventory = inventory,
        .drain_uevents = [] { return sysfs::UeventBatch{.events = {}, .lost = true}; },
        .run_task = [this](Task task, TaskCallbacks callbacks) { pool.run(std::move(task), std::move(callbacks)); },
        .journal = *journal,
        .modules = modules,
        .boot_id = "boot",
        .open_lane = [this] { return pool.open_lane(); }});
  }
  ~Crowd() { journal.reset(); }
  Crowd(const Crowd&) = delete;
  Crowd& operator=(const Crowd&) = delete;

  // Asks again and again what a change of all cards but the last would do.
  void read() {
    ChangeRequest request;
    request.kind = ChangeKind::Transaction;
    for (unsigned number = 0; number + 1 < cards; ++number)
      request.items.push_back(bind_request(card_at(number), "second"));
    engine->submit(std::move(request), {.transport = "unix", .uid = 1000, .pid = 7}, true,
                   [this](const Decision& decision) {
                     ++(std::holds_alternative<Preview>(decision) ? answered : refused);
                     if (!stopping) boost::asio::post(io, [this] { read(); });
                   });
  }

  // The state in which the operation ends; "" when it is refused.
  std::string change(ChangeRequest request) {
    request.accept_risks = {"driver.no_match"};
    std::optional<std::string> outcome;
    engine->submit(std::move(request),
                   {.transport = "unix", .uid = 0, .pid = 1, .local_address = {}, .may_change = true}, false,
                   [&](const Decision& decision) {
                     const auto* accepted = std::get_if<Accepted>(&decision);
                     if (accepted == nullptr) return void(outcome = "");
                     engine->waiters().when_ended(accepted->operation, [&, id = accepted->operation] {
                       outcome = document_of(*engine, id)["state"].get<std::string>();
                     });
                   });
    run_until(io, [&] { return outcome.has_value(); });
    return *outcome;
  }

  TemporaryDirectory directory;
  boost::asio::io_context io;
  sysfs::LinuxTree tree;
  WorkerPool pool;
  sysfs::ModuleIndex modules{.directory = "/nonexistent", .config_paths = {"/nonexistent"}};
  sysfs::Inventory inventory;
  std::unique_ptr<Journal> journal;
  std::unique_ptr<Engine> engine;
  int answered = 0;
  int refused = 0;
  bool stopping = false;
};

}  // namespace

TEST_CASE("Every change succeeds while sixty readers ask for dry runs of forty items", "[long]") {
  Crowd crowd;
  for (int count = 0; count < readers; ++count) crowd.read();
  const auto mine = card_at(cards - 1);
  std::vector<std::string> outcomes;
  const auto begin = std::chrono::steady_clock::now();
  for (int count = 0; count < changes; ++count)
    outcomes.push_back(
        crowd.change(count % 2 == 0 ? bind_request(mine, "second") : request_of(ChangeKind::Restore, mine)));
  const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - begin);
  crowd.stopping = true;
  const auto left = std::ranges::count(outcomes, "succeeded");
  CHECK(left == changes);
  SUCCEED("changes: " << left << " of " << changes << " in " << took.count() << " ms; dry runs: " << crowd.answered
                      << " answered, " << crowd.refused << " refused");
  run_until(crowd.io, [&] { return crowd.answered > 0; });
}

}  // namespace devbindd::crowd_test

// SPDX-License-Identifier: Apache-2.0
// A whole engine on a FakeKernel: the machine, workers, journal and inventory that the tests of handoff/ put requests
// to.
#pragma once

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <memory>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "handoff/operation/engine.hpp"
#include "sysfs/kernel/fields.hpp"
#include "tests/fake_ioctl.hpp"
#include "tests/fake_workers.hpp"
#include "tests/handoff/documents.hpp"
#include "tests/handoff/requests.hpp"
#include "tests/temporary_directory.hpp"

namespace devbindd::tests {

/// Runs the io_context until `done`. A handler that never comes is an error and not a hang.
template <class Done>
void run_until(boost::asio::io_context& io, Done done) {
  while (!done()) {
    io.restart();
    if (io.run_one_for(std::chrono::seconds(30)) == 0) throw std::runtime_error("nothing happened for too long");
  }
}

/// Worker processes of an earlier daemon: by a file of the kernel in memory instead of by their locks. The daemon is 1.
inline std::vector<handoff::LeftoverWorker> kernel_leftovers(const FakeKernel& kernel) {
  std::vector<std::int32_t> holders;
  const auto text = kernel.read("test/lock-holders").value_or("");
  for (const auto word : sysfs::words_of(text)) holders.push_back(sysfs::number_from<std::int32_t>(word).value());
  return handoff::leftover_workers(kernel, holders, 1);
}

/// What the daemon does after a while, it does so many times sooner here.
constexpr int hurry = 20;

/// One life of the daemon. Its end cuts off what is under way, as an exit does: no handler runs any more.
class Stage {
 public:
  explicit Stage(std::shared_ptr<FakeKernel> on_kernel = std::make_shared<FakeKernel>(),
                 const std::string& journal_path = ":memory:", const std::string& boot_id = "boot-1",
                 bool read_only = false)
      : owned_(std::move(on_kernel)),
        kernel(*owned_),
        guard_(io.get_executor()),
        workers(io, kernel, ioctl, index),
        inventory(kernel) {
    auto opened = handoff::Journal::open(
        journal_path, boot_id, [this](std::function<void()> action) { boost::asio::post(io, std::move(action)); });
    if (!opened) throw std::runtime_error(opened.error().message);
    journal = std::move(*opened);
    engine = std::make_unique<handoff::Engine>(
        handoff::Engine::Services{.tree = kernel,
                                  .inventory = inventory,
                                  .drain_uevents = [this] { return kernel.drain_uevents(); },
                                  .run_task = workers.run_task(),
                                  .journal = *journal,
                                  .modules = index,
                                  .read_only = read_only,
                                  .boot_id = boot_id,
                                  .leftovers = [this] { return kernel_leftovers(kernel); },
                                  .end_leftover = [this](std::int32_t pid) { ended_leftovers.push_back(pid); },
                                  .after =
                                      [this](std::chrono::milliseconds delay, std::function<void()> work) {
                                        auto timer = std::make_shared<boost::asio::steady_timer>(io, delay / hurry);
                                        timer->async_wait([timer, work = std::move(work)](auto error) {
                                          if (!error) work();
                                        });
                                      },
                                  .permit = workers.permit()});
    if (auto known = engine->current(); !known) throw std::runtime_error(known.error().message);
    engine->start_recovery();
  }
  Stage(const Stage&) = delete;
  Stage& operator=(const Stage&) = delete;
  ~Stage() { journal.reset(); }  // what is queued is committed; nothing is posted after that

  handoff::Decision decide(handoff::ChangeRequest request, bool dry_run = false) {
    std::optional<handoff::Decision> decision;
    engine->submit(std::move(request), {.transport = "unix", .uid = 0, .pid = 1}, dry_run,
                   [&decision](handoff::Decision made) { decision = std::move(made); });
    run_until(io, [&decision] { return decision.has_value(); });
    return std::move(*decision);
  }

  /// Waits until the operation has ended or is blocked, and gives its document.
  nlohmann::json settled(const std::string& id) {
    bool ready = false;
    engine->waiters().when_settled(id, [&ready] { ready = true; });
    run_until(io, [&ready] { return ready; });
    return document_of(*engine, id);
  }

  /// Puts a request through to its end. A refusal is an error of the test.
  nlohmann::json carry_out(handoff::ChangeRequest request) {
    const auto decision = decide(std::move(request));
    if (const auto* refusal = std::get_if<handoff::Refusal>(&decision))
      throw std::runtime_error("refused: " + refusal->error.message);
    return settled(std::get<handoff::Accepted>(decision).operation);
  }

  handoff::Refusal refused(handoff::ChangeRequest request) {
    return std::get<handoff::Refusal>(decide(std::move(request)));
  }

  boost::asio::io_context io;
  FakeIoctl ioctl;
  sysfs::ModuleIndex index{.directory = "/nonexistent", .config_paths = {"/nonexistent"}};

 private:
  std::shared_ptr<FakeKernel> owned_;

 public:
  FakeKernel& kernel;

 private:
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> guard_;

 public:
  FakeWorkers workers;
  sysfs::Inventory inventory;
  std::vector<std::int32_t> ended_leftovers;
  std::unique_ptr<handoff::Journal> journal;
  std::unique_ptr<handoff::Engine> engine;
};

/// Group 1: one e1000e card. Group 2: a bridge, two e1000e functions and one nvme. Group 3: one igb card.
/// 0000:09:00.0 has no group.
inline const std::string card = "0000:05:00.0";
inline const std::string pair0 = "0000:07:00.0";
inline const std::string pair1 = "0000:07:00.1";
inline const std::string disk = "0000:07:00.2";

inline std::shared_ptr<FakeKernel> usual_machine() {
  auto owned = std::make_shared<FakeKernel>();
  auto& kernel = *owned;
  add_usual_drivers(kernel);
  kernel.add_device({.address = "0000:05:00.0", .group = 1, .driver = "e1000e", .interfaces = {"eth0"}});
  kernel.add_device(
      {.address = "0000:06:00.0", .device = 0x3420, .class_code = 0x060400, .group = 2, .driver = "pcieport"});
  kernel.add_device({.address = "0000:07:00.0", .group = 2, .driver = "e1000e", .parent = "0000:06:00.0"});
  kernel.add_device({.address = "0000:07:00.1", .group = 2, .parent = "0000:06:00.0"});
  kernel.add_device({.address = "0000:07:00.2",
                     .device = 0x0953,
                     .class_code = 0x010802,
                     .group = 2,
                     .driver = "nvme",
                     .driver_override = "nvme",
                     .parent = "0000:06:00.0"});
  kernel.add_device({.address = "0000:08:00.0", .device = 0x10c9, .group = 3, .driver = "igb"});
  kernel.add_device({.address = "0000:09:00.0", .device = 0x10c9, .driver = "igb"});
  return owned;
}

/// The usual machine with an igb card that can have four VFs: 0000:0b:10.0, .2, .4, .6.
inline const std::string physical = "0000:0b:00.0";
inline const std::string vf0 = "0000:0b:10.0";
inline const std::string vf1 = "0000:0b:10.2";
inline const std::string vf2 = "0000:0b:10.4";

inline std::shared_ptr<FakeKernel> sriov_machine() {
  auto kernel = usual_machine();
  kernel->add_device({.address = physical, .device = 0x10c9, .group = 11, .driver = "igb", .totalvfs = 4});
  return kernel;
}

}  // namespace devbindd::tests

// SPDX-License-Identifier: Apache-2.0
// See fake_workers.hpp.
#include "tests/fake_workers.hpp"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <cerrno>
#include <stdexcept>

#include "handoff/worker/permit_check.hpp"
#include "sysfs/kernel/paths.hpp"
#include "tests/fake_usage.hpp"

namespace devbindd::tests {
namespace {

using handoff::Task;
using handoff::TaskResult;

const sysfs::Step* step_of(const Task& task) {
  const auto* work = std::get_if<handoff::PerformStep>(&task.work);
  return work != nullptr ? &work->step : nullptr;
}

// The files that the task reads and that a kernel may hold up.
std::vector<std::string> reads_of(const Task& task) {
  std::vector<std::string> paths;
  if (const auto* config = std::get_if<handoff::ReadConfig>(&task.work))
    paths.push_back(sysfs::paths::attribute(config->device, "config"));
  if (const auto* overrides = std::get_if<handoff::ReadOverrides>(&task.work)) {
    for (const auto& address : overrides->devices) paths.push_back(sysfs::paths::attribute(address, "driver_override"));
  }
  return paths;
}

}  // namespace

handoff::RunTask FakeWorkers::run_task() {
  return [this](Task task, handoff::TaskCallbacks callbacks) {
    tasks_.push_back(task);
    boost::asio::post(io_, [this, job = Job{std::move(task), std::move(callbacks), next_pid_++}] { take(job); });
  };
}

void FakeWorkers::take(Job job) {
  if (!would_block(job.task)) return finish(std::move(job));
  if (const auto* step = step_of(job.task)) {
    const auto write = sysfs::write_of(*step);
    kernel_.hang(write.path.substr(1), write.value);
  }
  held_.push_back(std::move(job));
  boost::asio::post(io_, [overdue = held_.back().callbacks.on_overdue, pid = held_.back().pid] { overdue(pid); });
}

void FakeWorkers::finish(Job job) {
  auto opened = std::make_shared<std::vector<sysfs::FileDescriptor>>();
  auto result = perform(job.task, *opened);
  boost::asio::post(io_, [callbacks = std::move(job.callbacks), result = std::move(result), opened] {
    if (callbacks.on_descriptors) callbacks.on_descriptors(std::move(*opened));
    callbacks.on_result(result);
  });
}

void FakeWorkers::resume() {
  auto waiting = std::exchange(held_, {});
  for (auto& job : waiting) {
    if (would_block(job.task)) {
      held_.push_back(std::move(job));
    } else {
      finish(std::move(job));
    }
  }
}

bool FakeWorkers::would_block(const Task& task) const {
  if (const auto* step = step_of(task)) {
    const auto write = sysfs::write_of(*step);
    return kernel_.would_block(std::string_view(write.path).substr(1), write.value);
  }
  return std::ranges::any_of(reads_of(task), [this](const auto& path) { return kernel_.would_block(path, {}); });
}

vfio::NodeAccess FakeWorkers::access() {
  return {.grant = [this](const auto& path, const auto& grantees) { return change_access(path, grantees, true); },
          .revoke = [this](const auto& path, const auto& grantees) { return change_access(path, grantees, false); },
          .who_has = [this](const auto& path, const auto& grantees) { return find_access(path, grantees); }};
}

// Never the limit of a process of the machine that the test runs on.
std::function<sysfs::Result<>(std::int32_t, std::uint64_t)> FakeWorkers::raising() {
  return [this](std::int32_t pid, std::uint64_t bytes) -> sysfs::Result<> {
    if (limit_errno_ != 0)
      return sysfs::fail(sysfs::ErrorCode::LimitNotRaised, "the limit could not be raised", limit_errno_);
    const auto limit = std::to_string(bytes);
    kernel_.set_file("proc/" + std::to_string(pid) + "/limits",
                     "Max locked memory         " + limit + "              " + limit + "              bytes\n");
    return {};
  };
}

// As the driver of a NIC: the settings belong to the VFs that are there, and go with them.
handoff::VfSettingsSeam FakeWorkers::vf_settings() {
  using Settings = std::map<unsigned, sysfs::VfSettings>;
  return {.may_set = [this] { return may_set_settings_; },
          .read = [this](const std::string& interface) -> sysfs::Result<Settings> {
            if (settings_errno_ != 0) return sysfs::fail(sysfs::ErrorCode::Kernel, "cannot read", settings_errno_);
            return kernel_.vf_settings(interface);
          },
          .set = [this](const std::string& interface, unsigned index,
                        const sysfs::VfSettings& settings) -> sysfs::Result<> {
            if (const int error = kernel_.set_vf_settings(interface, index, settings); error != 0)
              return sysfs::fail(sysfs::ErrorCode::Kernel, "cannot set the VLAN", error);
            return {};
          }};
}

sysfs::Result<> FakeWorkers::change_access(const std::string& path, const vfio::Grantees& grantees, bool grant) {
  if (access_errno_ != 0) return sysfs::fail(sysfs::ErrorCode::Kernel, "cannot set the ACL of " + path, access_errno_);
  auto& granted = grants_[path];
  const auto change = [&](const std::string& name) {
    if (grant) granted.insert(name);
    if (!grant) granted.erase(name);
  };
  for (const auto uid : grantees.uids) change("u" + std::to_string(uid));
  for (const auto gid : grantees.gids) change("g" + std::to_string(gid));
  if (granted.empty()) grants_.erase(path);
  return {};
}

sysfs::Result<vfio::Grantees> FakeWorkers::find_access(const std::string& path, const vfio::Grantees& grantees) const {
  if (finding_errno_ != 0)
    return sysfs::fail(sysfs::ErrorCode::Kernel, "cannot read the ACL of " + path, finding_errno_);
  const auto granted = grants_.find(path);
  if (granted == grants_.end()) return vfio::Grantees{};
  auto found = grantees;
  std::erase_if(found.uids, [&](unsigned uid) { return !granted->second.contains("u" + std::to_string(uid)); });
  std::erase_if(found.gids, [&](unsigned gid) { return !granted->second.contains("g" + std::to_string(gid)); });
  return found;
}

handoff::AskPermit FakeWorkers::permit() {
  permits_ = std::make_shared<handoff::PermitTable>(handoff::PermitMemory::create().value());
  return [this, table = permits_](handoff::Permit permit) -> std::shared_ptr<void> {
    permit.number = ++last_permit_;
    if (!table->give(permit)) throw std::runtime_error("no permit for " + permit.subject);
    return {table.get(), [table, number = permit.number](void*) { table->withdraw(number); }};
  };
}

sysfs::Result<> FakeWorkers::check(const handoff::Kernel& kernel, const Task& task) const {
  if (auto formed = handoff::check_form(task.work); !formed) return formed;
  const auto* step = step_of(task);
  if (!permits_ || (step != nullptr && step->kind == sysfs::StepKind::LoadModule)) return {};
  return handoff::check_permitted(kernel, handoff::PermitView(permits_->memory()), task.work);
}

TaskResult FakeWorkers::perform(const Task& task, std::vector<sysfs::FileDescriptor>& opened) {
  const auto* step = step_of(task);
  const handoff::Kernel kernel{kernel_,  ioctl_,    modules_,      fake_usage_seams(),
                               access(), raising(), vf_settings(), [this] { return fake_alternative_names(kernel_); }};
  if (auto may = check(kernel, task); !may) return std::unexpected(may.error());
  TaskResult result;
  if (step != nullptr && step->kind == sysfs::StepKind::LoadModule) {
    // Never through libkmod: a test must not load a module into the kernel that it runs on.
    const auto loaded = kernel_.load_module(step->argument);
    result =
        loaded ? handoff::result_of<handoff::PerformStep>(sysfs::StepOutcome::Done) : std::unexpected(loaded.error());
  } else {
    result = handoff::perform(kernel, task, opened);
  }
  if (step != nullptr && ++steps_ == dying_step_) {
    return sysfs::fail(sysfs::ErrorCode::Kernel, "the worker process 1 ended before it had answered", ECHILD);
  }
  return result;
}

}  // namespace devbindd::tests

// SPDX-License-Identifier: Apache-2.0
// The workers of tests: tasks are performed on a FakeKernel in the one thread of an io_context, answers come through it
// as from the real pool. A task that would block is told as overdue and held until the kernel lets go (see resume).
#pragma once

#include <boost/asio/io_context.hpp>
#include <list>
#include <map>
#include <memory>
#include <set>
#include <vector>

#include "handoff/worker/perform.hpp"
#include "handoff/worker/permit_table.hpp"
#include "tests/fake_kernel.hpp"

namespace devbindd::tests {

class FakeWorkers {
 public:
  FakeWorkers(boost::asio::io_context& io, FakeKernel& kernel, const vfio::Ioctl& ioctl,
              const sysfs::ModuleIndex& modules)
      : io_(io), kernel_(kernel), ioctl_(ioctl), modules_(modules) {}

  handoff::RunTask run_task();
  /// From now on a task needs a permit, as with the workers of a keeper.
  handoff::AskPermit permit();

  /// Performs the held tasks that would not block any more.
  void resume();
  /// The n-th step from now is performed, but its worker dies before it has answered.
  void die_after_nth_step(std::size_t n) { dying_step_ = steps_ + n; }

  /// Who was given access to a node and not lost it again: "u1000", "g44", by path.
  const std::map<std::string, std::set<std::string>>& grants() const { return grants_; }
  /// The administrator's own doing.
  void give_access(const std::string& path, const std::string& who) { grants_[path].insert(who); }
  /// Every change of access fails; 0 ends it.
  void fail_access(int errno_value) { access_errno_ = errno_value; }
  /// Who has access cannot be found; 0 ends it.
  void fail_finding_access(int errno_value) { finding_errno_ = errno_value; }
  /// No limit of locked memory can be raised; 0 ends it.
  void fail_limits(int errno_value) { limit_errno_ = errno_value; }

  /// The settings of VFs cannot be read; 0 ends it.
  void fail_settings(int errno_value) { settings_errno_ = errno_value; }
  /// CAP_NET_ADMIN is missing.
  void take_right_to_set() { may_set_settings_ = false; }

  std::size_t held() const { return held_.size(); }
  /// Every task that was given, in order.
  const std::vector<handoff::Task>& tasks() const { return tasks_; }

 private:
  struct Job {
    handoff::Task task;
    handoff::TaskCallbacks callbacks;
    int pid = 0;
  };

  void take(Job job);
  void finish(Job job);
  bool would_block(const handoff::Task& task) const;
  std::function<sysfs::Result<>(std::int32_t, std::uint64_t)> raising();
  vfio::NodeAccess access();
  handoff::VfSettingsSeam vf_settings();
  sysfs::Result<vfio::Grantees> find_access(const std::string& path, const vfio::Grantees& grantees) const;
  sysfs::Result<> change_access(const std::string& path, const vfio::Grantees& grantees, bool grant);
  sysfs::Result<> check(const handoff::Kernel& kernel, const handoff::Task& task) const;
  handoff::TaskResult perform(const handoff::Task& task, std::vector<sysfs::FileDescriptor>& opened);

  boost::asio::io_context& io_;
  FakeKernel& kernel_;
  const vfio::Ioctl& ioctl_;
  const sysfs::ModuleIndex& modules_;
  /// Shared with the permits, which may outlive this.
  std::shared_ptr<handoff::PermitTable> permits_ = {};
  std::uint64_t last_permit_ = 0;
  std::list<Job> held_;
  std::vector<handoff::Task> tasks_;
  std::size_t steps_ = 0;
  std::size_t dying_step_ = 0;
  int next_pid_ = 9000;
  std::map<std::string, std::set<std::string>> grants_;
  int access_errno_ = 0;
  int finding_errno_ = 0;
  int limit_errno_ = 0;
  int settings_errno_ = 0;
  bool may_set_settings_ = true;
};

}  // namespace devbindd::tests

// SPDX-License-Identifier: Apache-2.0
#include "daemon/privileged.hpp"

#include <unistd.h>

#include <csignal>
#include <utility>
#include <vector>

namespace devbindd::daemon {

Privileged::Privileged(boost::asio::io_context& io, std::optional<handoff::KeeperConnection> keeper,
                       api::CdiFiles files, handoff::KeeperLink::Hooks hooks)
    : parent_(keeper ? keeper->pid : ::getpid()), files_(std::move(files)) {
  if (keeper) link_ = handoff::KeeperLink::start(io, std::move(*keeper), std::move(hooks));
}

Privileged::~Privileged() {
  if (link_) link_->stop();
}

handoff::StartElsewhere Privileged::start_worker() const {
  if (!link_) return {};
  return [link = link_](int nice, auto done) { link->start_worker(nice, std::move(done)); };
}

handoff::AskPermit Privileged::permit() const {
  if (!link_) return {};
  return [link = link_](handoff::Permit permit) { return link->permit(std::move(permit)); };
}

handoff::RunTask Privileged::settled(handoff::RunTask run_task) const {
  if (!link_) return run_task;
  return [link = link_, run_task = std::move(run_task)](handoff::Task task, handoff::TaskCallbacks callbacks) {
    link->when_settled([run_task, task = std::move(task), callbacks = std::move(callbacks)]() mutable {
      run_task(std::move(task), std::move(callbacks));
    });
  };
}

handoff::OpenLane Privileged::settled(handoff::OpenLane open_lane) const {
  if (!link_) return open_lane;
  return [this, open_lane = std::move(open_lane)]() -> sysfs::Result<handoff::RunTask> {
    auto lane = open_lane();
    if (!lane) return lane;
    return settled(std::move(*lane));
  };
}

void Privileged::end_leftover(std::int32_t pid) const {
  if (link_) return link_->end_worker(pid);
  ::kill(pid, SIGKILL);
}

void Privileged::put_cdi_file(const std::string& claim, const std::string& text, Done done) const {
  if (link_ && !files_.is_off()) return link_->ask(handoff::PutCdiFile{claim, text}, std::move(done));
  done(files_.put(claim, text));
}

void Privileged::keep_cdi_files(const std::set<std::string>& claims, Done done) const {
  if (link_ && !files_.is_off())
    return link_->ask(handoff::KeepCdiFiles{{claims.begin(), claims.end()}}, std::move(done));
  done(files_.tidy(claims));
}

}  // namespace devbindd::daemon

// SPDX-License-Identifier: Apache-2.0
// What takes rights, done by this process or, where it has none, by its keeper (handoff/worker/keeper.hpp).
#pragma once

#include <sys/types.h>

#include <boost/asio/io_context.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "api/render/cdi_files.hpp"
#include "handoff/worker/keeper_link.hpp"
#include "handoff/worker/permit.hpp"
#include "handoff/worker/task.hpp"
#include "handoff/worker/worker_starter.hpp"

namespace devbindd::daemon {

class Privileged {
 public:
  using Done = std::function<void(sysfs::Result<>)>;

  /// Without a connection this process does all itself.
  Privileged(boost::asio::io_context& io, std::optional<handoff::KeeperConnection> keeper, api::CdiFiles files,
             handoff::KeeperLink::Hooks hooks);
  ~Privileged();
  Privileged(const Privileged&) = delete;
  Privileged& operator=(const Privileged&) = delete;

  /// null: this process starts workers.
  handoff::StartElsewhere start_worker() const;
  /// null: workers need no permit.
  handoff::AskPermit permit() const;
  /// The same, where tasks are given to workers that know of every permit asked for before.
  handoff::RunTask settled(handoff::RunTask run_task) const;
  handoff::OpenLane settled(handoff::OpenLane open_lane) const;
  pid_t parent_of_workers() const { return parent_; }
  void end_leftover(std::int32_t pid) const;

  /// An empty text removes the file. Errors: Kernel.
  void put_cdi_file(const std::string& claim, const std::string& text, Done done) const;
  /// Makes the directory, and removes the files of other claims. Errors: Kernel.
  void keep_cdi_files(const std::set<std::string>& claims, Done done) const;

 private:
  std::shared_ptr<handoff::KeeperLink> link_;  ///< null without a keeper
  pid_t parent_;
  api::CdiFiles files_;
};

}  // namespace devbindd::daemon

// SPDX-License-Identifier: Apache-2.0
#include "handoff/worker/worker_starter.hpp"

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <utility>

namespace devbindd::handoff {

namespace asio = boost::asio;

void WorkerStarter::start(int nice, Started done) {
  if (elsewhere_) {
    return elsewhere_(nice, [this, done = std::move(done)](sysfs::Result<SpawnedWorker> spawned) {
      if (!spawned) return done(std::unexpected(spawned.error()));
      done(std::make_shared<WorkerProcess>(io_, std::move(*spawned)));
    });
  }
  asio::post(thread_, [this, nice, guard = asio::make_work_guard(io_), done = std::move(done)]() mutable {
    auto spawned = std::make_shared<sysfs::Result<SpawnedWorker>>(spawn_worker(command_, nice));
    asio::post(io_, [this, spawned, done = std::move(done)] {
      if (!*spawned) return done(std::unexpected(spawned->error()));
      done(std::make_shared<WorkerProcess>(io_, std::move(**spawned)));
    });
  });
}

}  // namespace devbindd::handoff

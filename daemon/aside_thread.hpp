// SPDX-License-Identifier: Apache-2.0
// The thread that reads what belongs to the whole host (api/context/aside.hpp): it takes of the processor what the
// daemon's own leaves.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>
#include <functional>
#include <utility>

#include "sysfs/kernel/processor_share.hpp"

namespace devbindd::daemon {

class AsideThread {
 public:
  explicit AsideThread(boost::asio::io_context& io) : io_(io) { boost::asio::post(thread_, sysfs::yield_as_thread); }

  /// Runs `work` on the thread, frees what it holds there, and then runs `done` where `io` runs.
  void run(std::function<void()> work, std::function<void()> done) {
    boost::asio::post(thread_, [this, work = std::move(work), done = std::move(done)]() mutable {
      work();
      work = nullptr;
      boost::asio::post(io_, std::move(done));
    });
  }

 private:
  boost::asio::io_context& io_;
  boost::asio::thread_pool thread_{1};
};

}  // namespace devbindd::daemon

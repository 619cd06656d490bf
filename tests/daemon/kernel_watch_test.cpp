// SPDX-License-Identifier: Apache-2.0
// What is known of changes where nothing tells of them, and work that is done later.
#include "daemon/kernel_watch.hpp"

#include <memory>
#include <string>

#include "daemon/later.hpp"
#include "tests/catch2.hpp"
#include "tests/sysfs/files_tree.hpp"

namespace devbindd::kernel_watch_test {

using namespace devbindd::daemon;
using namespace std::chrono_literals;

TEST_CASE("without its socket every event counts as lost, and nobody is told of any", "[daemon][kernel_watch]") {
  boost::asio::io_context io;
  const tests::FilesTree nothing;
  int told = 0;
  KernelWatch watch(io, nothing,
                    {.on_readable = [&told] { ++told; },
                     .on_events = [&told](const sysfs::UeventBatch&) { ++told; },
                     .on_nodes = [&told] { ++told; },
                     .on_mounts = [&told](const auto&) { ++told; }});
  watch.start();
  const auto batch = watch.drain();
  CHECK(batch.lost);
  CHECK(batch.events.empty());
  io.run_for(100ms);
  CHECK(told == 0);
}

TEST_CASE("work is done later, in its turn, and not after the end", "[daemon][later]") {
  std::string done;
  {
    boost::asio::io_context io;
    run_later(io, 20ms, [&done] { done += "b"; });
    run_later(io, 1ms, [&done] { done += "a"; });
    CHECK(done.empty());
    io.run();
    CHECK(done == "ab");
    run_later(io, 0ms, [&done] { done += "c"; });
  }
  CHECK(done == "ab");
}

}  // namespace devbindd::kernel_watch_test

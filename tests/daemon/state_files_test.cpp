// SPDX-License-Identifier: Apache-2.0
// The state directory: made where it is missing, left out where nothing is written.
#include "daemon/state_files.hpp"

#include <filesystem>
#include <fstream>

#include "handoff/worker/worker_lock.hpp"
#include "sysfs/kernel/linux_tree.hpp"
#include "tests/catch2.hpp"
#include "tests/temporary_directory.hpp"

namespace devbindd::state_files_test {

using namespace devbindd::daemon;

namespace {

Configuration configured(const std::filesystem::path& directory, bool read_only) {
  Configuration configuration;
  configuration.state_directory = directory.string();
  configuration.read_only = read_only;
  return configuration;
}

}  // namespace

TEST_CASE("the state directory is made, with the file by which workers are known", "[daemon][state_files]") {
  const tests::TemporaryDirectory place;
  const auto configuration = configured(place.path() / "a" / "b", false);
  const auto locks = open_state(configuration);
  REQUIRE(locks);
  CHECK(*locks);
  CHECK(lock_file(configuration) == (place.path() / "a/b/workers").string());
  CHECK(std::filesystem::exists(lock_file(configuration)));
  CHECK(handoff::lock_holders(*locks).empty());
}

TEST_CASE("a directory that cannot be made is named", "[daemon][state_files]") {
  const tests::TemporaryDirectory place;
  std::ofstream(place.path() / "file") << "in the way";
  const auto locks = open_state(configured(place.path() / "file" / "b", false));
  REQUIRE_FALSE(locks);
  CHECK(locks.error().code == sysfs::ErrorCode::JournalFailed);
  CHECK_THAT(locks.error().message, tests::has_text("cannot make " + (place.path() / "file/b").string()));
}

TEST_CASE("a daemon that never writes leaves no file behind", "[daemon][state_files]") {
  const tests::TemporaryDirectory place;
  const auto configuration = configured(place.path() / "a", true);
  CHECK(lock_file(configuration).empty());
  const auto locks = open_state(configuration);
  REQUIRE(locks);
  CHECK_FALSE(*locks);
  const auto tree = sysfs::LinuxTree::open("/");
  REQUIRE(tree);
  boost::asio::io_context io;
  CHECK(open_journal(configuration, *tree, io));
  CHECK(std::filesystem::is_empty(place.path()));
}

TEST_CASE("the journal is in the state directory", "[daemon][state_files]") {
  const tests::TemporaryDirectory place;
  const auto configuration = configured(place.path(), false);
  const auto tree = sysfs::LinuxTree::open("/");
  REQUIRE(tree);
  boost::asio::io_context io;
  CHECK(open_journal(configuration, *tree, io));
  CHECK(std::filesystem::exists(place.path() / "state.db"));
}

}  // namespace devbindd::state_files_test

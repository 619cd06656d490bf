// SPDX-License-Identifier: Apache-2.0
// Files that come, go and are written to, in a directory of the test's own.
#include "sysfs/kernel/file_watch.hpp"

#include <sys/inotify.h>
#include <sys/stat.h>

#include <cerrno>
#include <fstream>

#include "tests/catch2.hpp"
#include "tests/temporary_directory.hpp"

namespace devbindd::file_watch_test {

namespace {

using namespace devbindd::sysfs;
using devbindd::tests::TemporaryDirectory;

void write(const std::filesystem::path& path, const char* text) { std::ofstream(path) << text; }

std::vector<std::string> names(const FileNewsBatch& batch, std::uint32_t mask) {
  std::vector<std::string> found;
  for (const auto& news : batch.news) {
    if ((news.mask & mask) != 0) found.push_back(news.name);
  }
  return found;
}

using Names = std::vector<std::string>;

}  // namespace

TEST_CASE("What a process has written is there as soon as its call has returned", "[file_watch]") {
  const TemporaryDirectory directory;
  write(directory.path() / "driver_override", "a");
  auto watch = FileWatch::open();
  REQUIRE(watch);
  REQUIRE(watch->add(directory.path(), IN_MODIFY));
  CHECK(watch->drain().news.empty());
  std::ifstream(directory.path() / "driver_override").get();
  CHECK(watch->drain().news.empty());
  write(directory.path() / "driver_override", "b");
  const auto batch = watch->drain();
  REQUIRE_FALSE(batch.news.empty());
  CHECK(batch.news[0].directory == directory.path());
  CHECK(names(batch, IN_MODIFY)[0] == "driver_override");
  CHECK_FALSE(batch.lost);
}

TEST_CASE("A node's mode and owner, its coming and its going are told", "[file_watch]") {
  const TemporaryDirectory directory;
  auto watch = FileWatch::open();
  REQUIRE(watch);
  REQUIRE(watch->add(directory.path(), IN_CREATE | IN_DELETE | IN_ATTRIB));
  write(directory.path() / "24", "");
  CHECK(names(watch->drain(), IN_CREATE) == Names{"24"});
  REQUIRE(::chmod((directory.path() / "24").c_str(), 0600) == 0);
  CHECK(names(watch->drain(), IN_ATTRIB) == Names{"24"});
  std::filesystem::remove(directory.path() / "24");
  CHECK(names(watch->drain(), IN_DELETE) == Names{"24"});
}

TEST_CASE("A directory that is gone is watched no longer, one made anew in its place can be", "[file_watch]") {
  const TemporaryDirectory parent;
  const auto path = parent.path() / "vfio";
  auto watch = FileWatch::open();
  REQUIRE(watch);
  const auto absent = watch->add(path, IN_CREATE);
  REQUIRE_FALSE(absent);
  CHECK(absent.error().errno_value == ENOENT);
  std::filesystem::create_directory(path);
  REQUIRE(watch->add(path, IN_CREATE));
  std::filesystem::remove(path);
  std::filesystem::create_directory(path);
  const bool known_before = GENERATE(false, true);
  if (!known_before) watch->drain();
  CHECK(watch->watches(path) == known_before);
  REQUIRE(watch->add(path, IN_CREATE));
  watch->drain();
  CHECK(watch->watches(path));
  write(path / "24", "");
  CHECK(names(watch->drain(), IN_CREATE) == Names{"24"});
  watch->remove(path);
  write(path / "25", "");
  CHECK(names(watch->drain(), IN_CREATE).empty());
  CHECK_FALSE(watch->watches(path));
}

}  // namespace devbindd::file_watch_test

// SPDX-License-Identifier: Apache-2.0
// The questions that open a disk's node, put to files instead: claiming, and what libblkid recognises.
#include "sysfs/use/block_probe.hpp"

#include <cerrno>
#include <fstream>

#include "tests/catch2.hpp"
#include "tests/temporary_directory.hpp"

namespace devbindd::block_probe_test {

namespace {

using namespace devbindd::sysfs;

std::string file(const devbindd::tests::TemporaryDirectory& directory, const std::string& content) {
  auto path = (directory.path() / "disk").string();
  std::ofstream(path) << content;
  return path;
}

// Linux swap space, version 1: include/linux/swap.h, union swap_header.
std::string swap_area() {
  std::string content(1U << 20U, '\0');
  content[1024] = 1;
  content[1028] = '\xff';  // the last page
  content.replace(4086, 10, "SWAPSPACE2");
  return content;
}

// A DOS partition table with one Linux partition of 1024 sectors behind the first megabyte.
std::string partition_table() {
  std::string content(2U << 20U, '\0');
  content.replace(446, 16, std::string("\0\0\0\0\x83\0\0\0\0\x08\0\0\0\x04\0\0", 16));
  content.replace(510, 2, "\x55\xaa");
  return content;
}

}  // namespace

TEST_CASE("Superblocks and partition tables are recognised") {
  const devbindd::tests::TemporaryDirectory directory;
  CHECK(block_signature(file(directory, swap_area())) == "swap");
  CHECK(block_signature(file(directory, partition_table())) == "dos");
}

TEST_CASE("What is blank, too short or not there has no signature") {
  const devbindd::tests::TemporaryDirectory directory;
  CHECK_FALSE(block_signature(file(directory, std::string(1U << 20U, '\0'))));
  CHECK_FALSE(block_signature(file(directory, "")));
  CHECK_FALSE(block_signature((directory.path() / "nowhere").string()));
}

TEST_CASE("Claiming tells the errno of the open") {
  const devbindd::tests::TemporaryDirectory directory;
  CHECK(open_block_exclusively((directory.path() / "nowhere").string()) == ENOENT);
  CHECK(open_block_exclusively(file(directory, "free")) == 0);
}

}  // namespace devbindd::block_probe_test

// SPDX-License-Identifier: Apache-2.0
// What no call shows is told where the kernel may have it, and nowhere else.
#include "sysfs/use/network_gaps.hpp"

#include "tests/catch2.hpp"
#include "tests/sysfs/files_tree.hpp"

namespace devbindd::network_gaps_test {

using namespace devbindd::sysfs;
using devbindd::tests::FilesTree;

TEST_CASE("Programs of tcx are a gap since Linux 6.6") {
  const auto [release, gap] = GENERATE(table<std::string, bool>({{"6.1.0-40-amd64\n", false},
                                                                 {"6.5.13\n", false},
                                                                 {"6.6.0-rc1\n", true},
                                                                 {"6.12.57+deb13-amd64\n", true},
                                                                 {"7.0\n", true},
                                                                 {"5.19.0\n", false},
                                                                 {"garbage\n", false},
                                                                 {"", false}}));
  CAPTURE(release);
  FilesTree tree;
  tree.files.add_file("proc/sys/kernel/osrelease", release);
  NetworkState state;
  add_network_gaps(tree, state);
  CHECK(state.gaps.empty() != gap);
}

}  // namespace devbindd::network_gaps_test

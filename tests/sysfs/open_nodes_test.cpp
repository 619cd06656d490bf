// SPDX-License-Identifier: Apache-2.0
// Who has a node open: by the device number behind the descriptor, not by its name.
#include "sysfs/use/open_nodes.hpp"

#include "tests/catch2.hpp"
#include "tests/sysfs/files_tree.hpp"

namespace devbindd::open_nodes_test {

namespace {

using namespace devbindd::sysfs;
using devbindd::tests::FilesTree;
using Uses = std::vector<Use>;

const OwnedNode disk{UseKind::BlockOpen, {"sda"}, {8, 0}, true, "/dev/sda"};
const OwnedNode card{UseKind::DisplayOpen, {"card0"}, {226, 0}, false, "/dev/dri/card0"};

FilesTree machine() {
  FilesTree tree;
  tree.files.add_block_node("dev/sda", 8, 0);
  tree.files.add_node("dev/mem0", 0600, 8, 0);  // a character device of the same number
  tree.files.add_node("dev/dri/card0", 0660, 226, 0);
  tree.files.add_block_node("var/jail/dev/disk", 8, 0);
  return tree;
}

// Of the nodes that somebody has open.
Uses seen(const FilesTree& tree, const std::vector<OwnedNode>& nodes) {
  auto uses = open_uses(tree, nodes).value().uses;
  std::erase_if(uses, [](const Use& use) { return use.processes.empty(); });
  return uses;
}

}  // namespace

TEST_CASE("Every process with the node open is named, each once") {
  auto tree = machine();
  tree.add_process(30, "dd", {{3, "/dev/sda"}, {4, "/dev/sda"}});
  tree.add_process(200, "jailed", {{9, "/var/jail/dev/disk"}});
  tree.add_process(40, "other", {{3, "/dev/mem0"}, {4, "/dev/null"}, {5, "socket:[77]"}, {6, "/home/sda"}});
  CHECK(
      seen(tree, {disk, card}) ==
      Uses{{UseKind::BlockOpen, {"sda"}, "/dev/sda", {{30, "dd", "/dev/sda"}, {200, "jailed", "/var/jail/dev/disk"}}}});
}

TEST_CASE("The order is that of the nodes, and nodes that nobody has open are left out") {
  auto tree = machine();
  tree.add_process(30, "Xorg", {{3, "/dev/dri/card0"}, {4, "/dev/sda"}});
  CHECK(seen(tree, {disk}) == Uses{{UseKind::BlockOpen, {"sda"}, "/dev/sda", {{30, "Xorg", "/dev/sda"}}}});
  const auto uses = seen(tree, {card, disk});
  REQUIRE(uses.size() == 2);
  CHECK(uses[0].subject == "/dev/dri/card0");
  CHECK(seen(tree, {}).empty());
}

TEST_CASE("The asking process itself does not count") {
  auto tree = machine();
  tree.add_process(30, "worker", {{3, "/dev/sda"}});
  tree.files.add_link("proc/self", "30");
  CHECK(seen(tree, {disk}).empty());
}

TEST_CASE("A descriptor that only marks a place has nothing open") {
  auto tree = machine();
  tree.add_process(30, "systemd", {{3, "/dev/sda"}});
  tree.files.add_file("proc/30/fdinfo/3", "pos:\t0\nflags:\t012100000\nmnt_id:\t24\n");
  CHECK(seen(tree, {disk}).empty());
  tree.files.add_link("proc/30/fd/4", "/dev/sda");
  tree.files.add_file("proc/30/fdinfo/4", "pos:\t0\nflags:\t0100000\nmnt_id:\t24\n");
  CHECK(seen(tree, {disk}) == Uses{{UseKind::BlockOpen, {"sda"}, "/dev/sda", {{30, "systemd", "/dev/sda"}}}});
}

TEST_CASE("What vanishes meanwhile is left out") {
  auto tree = machine();
  tree.add_process(30, "gone", {{3, "/dev/sdz"}});
  tree.files.add_directory("proc/31");
  tree.files.add_link("proc/32/fd/5", "/dev/sda");
  CHECK(seen(tree, {disk}) == Uses{{UseKind::BlockOpen, {"sda"}, "/dev/sda", {{32, "?", "/dev/sda"}}}});
}

TEST_CASE("Memory counts by the function's files and by its addresses") {
  FilesTree tree;
  tree.files.add_node("dev/mem", 0600, 1, 1);
  const std::vector<OwnedMemory> memories = {{{}, {0, 0, 3, 0}, {{0xfe000000, 0xfe000fff}, {0xfe400000, 0xfe4fffff}}},
                                             {{"10000:00:01.0"}, {0x10000, 0, 1, 0}, {}}};
  const auto users = [&tree, &memories] {
    std::vector<int> pids;
    const auto found = open_uses(tree, {}, memories).value();
    REQUIRE(found.memories.size() == 2);
    for (const auto& process : found.memories[0].processes) pids.push_back(process.pid);
    for (const auto& process : found.memories[1].processes) pids.push_back(-process.pid);
    return pids;
  };
  using Pids = std::vector<int>;
  CHECK(users().empty());
  tree.add_process(30, "uio", {{3, "/sys/devices/pci0000:00/0000:00:03.0/resource0"}});
  tree.add_mapping(30, "10000-11000", "rw-s", "00000000", "/sys/devices/pci0000:00/0000:00:03.0/resource0");
  tree.add_process(31, "other", {{3, "/sys/devices/pci0000:00/0000:00:04.0/resource0"}});
  tree.add_process(32, "below", {{3, "/sys/devices/pci0000:00/0000:00:05.0/pci10000:00/10000:00:01.0/resource1"}});
  CHECK(users() == Pids{30, -32});
  tree.add_process(40, "before");
  tree.add_mapping(40, "10000-11000", "rw-s", "fdfff000", "/dev/mem");
  tree.add_process(41, "across");
  tree.add_mapping(41, "10000-12000", "rw-s", "fdfff000", "/dev/mem");
  tree.add_process(42, "inside");
  tree.add_mapping(42, "10000-11000", "rw-s", "fe4ff000", "/dev/mem");
  tree.add_process(43, "after");
  tree.add_mapping(43, "10000-11000", "rw-s", "fe500000", "/dev/mem");
  tree.add_process(44, "open alone", {{3, "/dev/mem"}});
  CHECK(users() == Pids{30, 41, 42, -32});
  const auto found = open_uses(tree, {}, memories).value();
  CHECK(found.memories[0].kind == UseKind::Mapped);
  CHECK(found.memories[0].subject == "0000:00:03.0");
}

TEST_CASE("A node that is mapped and closed counts as open") {
  auto tree = machine();
  tree.add_process(30, "gpu");
  tree.add_mapping(30, "10000-11000", "rw-s", "00000000", "/dev/dri/card0");
  CHECK(seen(tree, {card}) ==
        Uses{{UseKind::DisplayOpen, {"card0"}, "/dev/dri/card0", {{30, "gpu", "/dev/dri/card0"}}}});
}

}  // namespace devbindd::open_nodes_test

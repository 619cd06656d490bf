// Who has a node open: by the device number behind the descriptor, not by its name.
#include "sysfs/open_nodes.hpp"

#include "tests/catch2.hpp"
#include "tests/sysfs/files_tree.hpp"

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

}  // namespace

TEST_CASE("Every process with the node open is named, each once") {
  auto tree = machine();
  tree.add_process(30, "dd", {{3, "/dev/sda"}, {4, "/dev/sda"}});
  tree.add_process(200, "jailed", {{9, "/var/jail/dev/disk"}});
  tree.add_process(40, "other", {{3, "/dev/mem0"}, {4, "/dev/null"}, {5, "socket:[77]"}, {6, "/home/sda"}});
  CHECK(
      open_uses(tree, {disk, card}).value() ==
      Uses{{UseKind::BlockOpen, {"sda"}, "/dev/sda", {{30, "dd", "/dev/sda"}, {200, "jailed", "/var/jail/dev/disk"}}}});
}

TEST_CASE("The order is that of the nodes, and nodes that nobody has open are left out") {
  auto tree = machine();
  tree.add_process(30, "Xorg", {{3, "/dev/dri/card0"}, {4, "/dev/sda"}});
  CHECK(open_uses(tree, {disk}).value() == Uses{{UseKind::BlockOpen, {"sda"}, "/dev/sda", {{30, "Xorg", "/dev/sda"}}}});
  const auto uses = open_uses(tree, {card, disk}).value();
  REQUIRE(uses.size() == 2);
  CHECK(uses[0].subject == "/dev/dri/card0");
  CHECK(open_uses(tree, {}).value().empty());
}

TEST_CASE("The asking process itself does not count") {
  auto tree = machine();
  tree.add_process(30, "worker", {{3, "/dev/sda"}});
  tree.files.add_link("proc/self", "30");
  CHECK(open_uses(tree, {disk}).value().empty());
}

TEST_CASE("What vanishes meanwhile is left out") {
  auto tree = machine();
  tree.add_process(30, "gone", {{3, "/dev/sdz"}});
  tree.files.add_directory("proc/31");
  tree.files.add_link("proc/32/fd/5", "/dev/sda");
  CHECK(open_uses(tree, {disk}).value() == Uses{{UseKind::BlockOpen, {"sda"}, "/dev/sda", {{32, "?", "/dev/sda"}}}});
}

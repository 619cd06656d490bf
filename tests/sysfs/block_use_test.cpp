// SPDX-License-Identifier: Apache-2.0
// What counts as use of a disk: whatever is mounted, swapped to or claimed on any way up from it.
#include "sysfs/use/block_use.hpp"

#include <cerrno>
#include <set>

#include "sysfs/use/block_devices.hpp"
#include "tests/catch2.hpp"
#include "tests/sysfs/files_tree.hpp"

namespace devbindd::block_use_test {

namespace {

using namespace devbindd::sysfs;
using devbindd::tests::FilesTree;
using Uses = std::vector<Use>;

const std::string function = "sys/devices/pci0000:00/0000:01:00.0";
const std::string disk = function + "/nvme/nvme0/nvme0n1";
const std::string virtual_disks = "sys/devices/virtual/block/";

// nvme0n1 with two partitions, on a host whose root lies elsewhere.
FilesTree machine() {
  FilesTree tree;
  tree.add_device(function + "/nvme/nvme0", "class/nvme", {{"state", "live"}});
  tree.add_block(disk, 259, 0);
  tree.add_block(disk + "/nvme0n1p1", 259, 1, {{"partition", "1"}});
  tree.add_block(disk + "/nvme0n1p2", 259, 2, {{"partition", "2"}});
  tree.add_process(1, "systemd");
  tree.add_mounts(1, "20 1 8:1 / / rw - ext4 /dev/sda1 rw\n21 20 0:5 / /dev rw - devtmpfs udev rw\n");
  return tree;
}

void also_mounted(FilesTree& tree, const std::string& line) {
  tree.add_mounts(1, *tree.files.content("proc/1/mountinfo") + line + "\n");
}

struct Answers {
  int exclusive = 0;
  std::map<std::string, std::string> signatures = {};
  std::vector<std::string> asked = {};
};

BlockUse look(const FilesTree& tree, Answers& answers) {
  const BlockSeams seams{[&](const std::string& node) {
                           answers.asked.push_back(node);
                           return answers.exclusive;
                         },
                         [&](const std::string& node) -> std::optional<std::string> {
                           const auto found = answers.signatures.find(node);
                           if (found == answers.signatures.end()) return std::nullopt;
                           return found->second;
                         }};
  return block_uses(tree, descendants_of(tree, function), read_mount_table(tree), seams);
}

Uses uses(const FilesTree& tree) {
  Answers blank;
  return look(tree, blank).uses;
}

Use use(UseKind kind, std::vector<std::string> path, std::string subject) {
  return {.kind = kind, .path = std::move(path), .subject = std::move(subject)};
}

}  // namespace

TEST_CASE("A blank disk that nobody uses gives nothing") {
  const auto tree = machine();
  Answers blank;
  const auto found = look(tree, blank);
  CHECK(found.uses.empty());
  CHECK(blank.asked == std::vector<std::string>{"/dev/nvme0n1"});
  REQUIRE(found.nodes.size() == 3);
  CHECK(found.nodes[1] == OwnedNode{UseKind::BlockOpen, {"nvme0n1", "nvme0n1p1"}, {259, 1}, true, "/dev/nvme0n1p1"});
}

TEST_CASE("A mounted partition, with blanks in its place") {
  auto tree = machine();
  also_mounted(tree, "30 20 259:1 / /my\\040data rw - xfs /dev/nvme0n1p1 rw");
  CHECK(uses(tree) == Uses{use(UseKind::Mounted, {"nvme0n1", "nvme0n1p1"}, "/my data")});
}

TEST_CASE("An LVM volume on an md on a partition, mounted") {
  auto tree = machine();
  tree.add_block(virtual_disks + "md0", 9, 0);
  tree.add_block(virtual_disks + "dm-0", 253, 0, {{"dm/name", "vg-root"}});
  tree.add_holder("nvme0n1p1", "md0");
  tree.add_holder("md0", "dm-0");
  const std::vector<std::string> way = {"nvme0n1", "nvme0n1p1", "md0", "dm-0 (vg-root)"};
  CHECK(uses(tree) == Uses{use(UseKind::Holder, way, "dm-0 (vg-root)")});
  also_mounted(tree, "30 20 253:0 / /srv rw - ext4 /dev/mapper/vg-root rw");
  CHECK(uses(tree) == Uses{use(UseKind::Mounted, way, "/srv")});
}

TEST_CASE("A dm-crypt mapping that is open but not mounted is a holder") {
  auto tree = machine();
  tree.add_block(virtual_disks + "dm-3", 253, 3, {{"dm/name", "secret"}, {"dm/uuid", "CRYPT-LUKS2-x-secret"}});
  tree.add_holder("nvme0n1p2", "dm-3");
  CHECK(uses(tree) == Uses{use(UseKind::Holder, {"nvme0n1", "nvme0n1p2", "dm-3 (secret)"}, "dm-3 (secret)")});
}

TEST_CASE("A swap partition") {
  auto tree = machine();
  tree.files.add_file("proc/swaps",
                      "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n"
                      "/dev/nvme0n1p2                          partition\t1000\t0\t-2\n");
  CHECK(uses(tree) == Uses{use(UseKind::Swap, {"nvme0n1", "nvme0n1p2"}, "/dev/nvme0n1p2")});
}

TEST_CASE("A swap file on a file system of the disk, and one elsewhere") {
  auto tree = machine();
  also_mounted(tree, "30 20 259:1 / /data rw - ext4 /dev/nvme0n1p1 rw");
  tree.files.add_file("proc/swaps",
                      "Filename Type Size Used Priority\n/data/swap\\040file file 1 0 -2\n"
                      "/database file 1 0 -3\n");
  const std::vector<std::string> way = {"nvme0n1", "nvme0n1p1"};
  CHECK(uses(tree) == Uses{use(UseKind::Mounted, way, "/data"), use(UseKind::Swap, way, "/data/swap file")});
}

TEST_CASE("A loop device whose file lies on the disk") {
  auto tree = machine();
  also_mounted(tree, "30 20 259:1 / /data rw - ext4 /dev/nvme0n1p1 rw\n31 20 7:0 / /mnt rw - squashfs /dev/loop0 ro");
  tree.add_block(virtual_disks + "loop0", 7, 0, {{"loop/backing_file", "/data/image (deleted)"}});
  tree.add_block(virtual_disks + "loop1", 7, 1, {{"loop/backing_file", "/elsewhere/image"}});
  CHECK(uses(tree) == Uses{use(UseKind::Mounted, {"nvme0n1", "nvme0n1p1"}, "/data"),
                           use(UseKind::Mounted, {"nvme0n1", "nvme0n1p1", "loop0 (/data/image)"}, "/mnt")});
}

TEST_CASE("A loop device straight on the disk is a holder") {
  auto tree = machine();
  tree.add_block(virtual_disks + "loop0", 7, 0, {{"loop/backing_file", "/dev/nvme0n1"}});
  CHECK(uses(tree) == Uses{use(UseKind::Holder, {"nvme0n1", "loop0 (/dev/nvme0n1)"}, "loop0 (/dev/nvme0n1)")});
}

TEST_CASE("btrfs shows a made-up number; its source or its list of members tells") {
  auto tree = machine();
  tree.add_block(virtual_disks + "sdb1", 8, 17);
  tree.files.add_link("sys/fs/btrfs/u-u-i-d/devices/nvme0n1p1", "/" + disk + "/nvme0n1p1");
  tree.files.add_link("sys/fs/btrfs/u-u-i-d/devices/sdb1", "/" + virtual_disks + "sdb1");
  CHECK(uses(tree) == Uses{use(UseKind::Mounted, {"nvme0n1", "nvme0n1p1"}, "btrfs u-u-i-d")});
  also_mounted(tree, "30 20 0:44 /@home /home rw - btrfs /dev/sdb1 rw");
  tree.files.add_file("proc/swaps", "/home/swap file 1 0 -2\n");
  CHECK(uses(tree) == Uses{use(UseKind::Mounted, {"nvme0n1", "nvme0n1p1"}, "/home"),
                           use(UseKind::Swap, {"nvme0n1", "nvme0n1p1"}, "/home/swap")});
}

TEST_CASE("A mount in another mount namespace counts, with a process of it") {
  auto tree = machine();
  tree.add_process(77, "qemu");
  tree.add_mounts(77, "90 80 259:2 / /scratch rw - ext4 /dev/nvme0n1p2 rw\n", 2);
  auto expected = use(UseKind::Mounted, {"nvme0n1", "nvme0n1p2"}, "/scratch");
  expected.processes = {{77, "qemu", "/scratch"}};
  CHECK(uses(tree) == Uses{expected});
  // The host's own mount says it all.
  also_mounted(tree, "30 20 259:2 / /data rw - ext4 /dev/nvme0n1p2 rw");
  CHECK(uses(tree) == Uses{use(UseKind::Mounted, {"nvme0n1", "nvme0n1p2"}, "/data")});
}

TEST_CASE("An exclusive claim that nothing explains is a holder") {
  const auto tree = machine();
  Answers answers{.exclusive = EBUSY};
  CHECK(look(tree, answers).uses == Uses{use(UseKind::Holder, {"nvme0n1"}, "exclusive opener")});
  answers.exclusive = EPERM;  // a device policy, an unprivileged caller
  CHECK(look(tree, answers).uses == Uses{use(UseKind::Signature, {"nvme0n1"}, "unknown")});
  answers.exclusive = ENOENT;  // its node has been removed
  CHECK(look(tree, answers).uses == Uses{use(UseKind::Signature, {"nvme0n1"}, "unknown")});
  answers.exclusive = ENOMEDIUM;
  CHECK(look(tree, answers).uses.empty());
}

TEST_CASE("What is explained is not asked for") {
  auto tree = machine();
  also_mounted(tree, "30 20 259:1 / /data rw - ext4 /dev/nvme0n1p1 rw");
  Answers answers{.exclusive = EBUSY};
  CHECK(look(tree, answers).uses.size() == 1);
  CHECK(answers.asked.empty());
}

TEST_CASE("Data that nobody uses is told for information, nearest to the data") {
  auto tree = machine();
  Answers answers{.signatures = {{"/dev/nvme0n1", "gpt"}, {"/dev/nvme0n1p2", "LVM2_member"}}};
  CHECK(look(tree, answers).uses == Uses{use(UseKind::Signature, {"nvme0n1", "nvme0n1p2"}, "LVM2_member")});
  answers.signatures.erase("/dev/nvme0n1p2");
  CHECK(look(tree, answers).uses == Uses{use(UseKind::Signature, {"nvme0n1"}, "gpt")});
}

TEST_CASE("Behind a hidden path of NVMe multipath, the head counts") {
  FilesTree tree;
  const std::string subsystem = "sys/devices/virtual/nvme-subsystem/nvme-subsys0";
  tree.add_device(function + "/nvme/nvme0", "class/nvme", {{"state", "live"}});
  tree.add_device(function + "/nvme/nvme0/nvme0c0n1", "class/block", {{"hidden", "1"}});
  tree.add_block(subsystem + "/nvme0n1", 259, 0);
  tree.add_block(subsystem + "/nvme0n1/nvme0n1p1", 259, 1, {{"partition", "1"}});
  tree.files.add_link(subsystem + "/nvme0", "/" + function + "/nvme/nvme0");
  tree.files.add_link("sys/class/nvme-subsystem/nvme-subsys0", "/" + subsystem);
  tree.add_mounts(1, "20 1 259:1 / / rw - ext4 /dev/nvme0n1p1 rw\n");
  const Uses mounted = {use(UseKind::Mounted, {"nvme0c0n1", "nvme0n1", "nvme0n1p1"}, "/")};
  CHECK(uses(tree) == mounted);

  // A second controller of another function that sees the namespace: only a path is lost.
  const std::string second = "sys/devices/pci0000:00/0000:02:00.0/nvme/nvme1";
  tree.add_device(second, "class/nvme", {{"state", "live"}});
  tree.files.add_link(subsystem + "/nvme1", "/" + second);
  CHECK(uses(tree) == mounted);  // it does not see it
  tree.add_device(second + "/nvme0c1n1", "class/block", {{"hidden", "1"}});
  CHECK(uses(tree) == Uses{use(UseKind::Holder, {"nvme0c0n1", "nvme0n1"},
                               "one path to nvme0n1, which stays reachable through nvme1")});
  tree.files.add_file(second + "/state", "connecting\n");
  CHECK(uses(tree) == mounted);
}

TEST_CASE("SCSI disks deep below the controller are found, and holders in a circle end the search") {
  FilesTree tree;
  tree.add_block(function + "/ata1/host0/target0:0:0/0:0:0:0/block/sda", 8, 0);
  tree.add_block(virtual_disks + "dm-0", 253, 0);
  tree.add_holder("sda", "dm-0");
  tree.add_holder("dm-0", "sda");
  CHECK(uses(tree) == Uses{use(UseKind::Holder, {"sda", "dm-0"}, "dm-0")});
}

TEST_CASE("The functions that a block device stands on") {
  auto tree = machine();
  const PciAddress nvme{0, 1, 0, 0};
  CHECK(functions_below(tree, {259, 1}) == std::set{nvme});
  CHECK(functions_below(tree, {259, 77}).empty());
  tree.add_block("sys/devices/pci0000:00/0000:02:00.0/ata1/host0/target0:0:0/0:0:0:0/block/sda", 8, 0);
  tree.add_block(virtual_disks + "md0", 9, 0);
  tree.add_block(virtual_disks + "md0/md0p1", 259, 9, {{"partition", "1"}});
  tree.add_block(virtual_disks + "dm-0", 253, 0);
  for (const auto& [upper, lower] : {std::pair("md0", "nvme0n1p1"), {"md0", "sda"}, {"dm-0", "md0p1"}})
    tree.files.add_link(virtual_disks + upper + "/slaves/" + lower, "../../" + std::string(lower));
  CHECK(functions_below(tree, {253, 0}) == std::set{nvme, PciAddress{0, 2, 0, 0}});
}

TEST_CASE("The head of an NVMe multipath stands on all its controllers") {
  FilesTree tree;
  const std::string subsystem = "sys/devices/virtual/nvme-subsystem/nvme-subsys0";
  tree.add_block(subsystem + "/nvme0n1", 259, 0);
  tree.files.add_link("sys/class/nvme-subsystem/nvme-subsys0", "/" + subsystem);
  for (const std::string address : {"0000:01:00.0", "0000:02:00.0"})
    tree.files.add_link(subsystem + "/nvme" + address.substr(6, 1),
                        "/sys/devices/pci0000:00/" + address + "/nvme/nvme0");
  CHECK(functions_below(tree, {259, 0}) == std::set{PciAddress{0, 1, 0, 0}, PciAddress{0, 2, 0, 0}});
}

TEST_CASE("How much each block device carries of what is mounted and swapped to") {
  auto tree = machine();
  also_mounted(tree,
               "30 20 259:1 / /data rw - ext4 /dev/nvme0n1p1 rw\n31 20 259:1 /a /here rw - ext4 /dev/nvme0n1p1 rw");
  tree.files.add_file("proc/swaps", "Filename Type Size Used Priority\n/data/swap file 1 0 -2\n");
  const auto carried = mounted_or_swapped(tree);
  CHECK(carried.at({259, 1}) == 3);
  CHECK(carried.at({8, 1}) == 1);
  CHECK(!carried.contains({0, 5}));
}

TEST_CASE("Lines of mountinfo that make no sense are left out") {
  const auto mounts = parse_mountinfo(
      "\n36 35 98:0 /a /b\\040c rw,noatime master:1 - ext3 /dev/root rw\n36 35 x / / rw - a b c\n"
      "36 35 98:0 / / rw ext3 /dev/root rw\n36 35 98:0 / / rw -\n- - - -\n");
  REQUIRE(mounts.size() == 1);
  CHECK(mounts[0] == Mount{.number = {98, 0}, .root = "/a", .point = "/b c", .type = "ext3", .source = "/dev/root"});
}

TEST_CASE("What the kernel serves to others counts at the device that it serves") {
  auto tree = machine();
  const std::string name_space = "sys/kernel/config/nvmet/subsystems/x/namespaces/1/";
  tree.files.add_file(name_space + "device_path", "/dev/nvme0n1p2\n");
  tree.files.add_file(name_space + "enable", "1\n");
  CHECK(uses(tree) == Uses{use(UseKind::Served, {"nvme0n1", "nvme0n1p2"}, "namespace 1 of the NVMe target x")});
  tree.files.add_file(name_space + "enable", "0\n");
  CHECK(uses(tree).empty());
}

TEST_CASE("A zram disk stands on its back end") {
  auto tree = machine();
  tree.add_block(virtual_disks + "zram0", 253, 0, {{"backing_dev", "/dev/nvme0n1p1"}});
  CHECK(uses(tree) == Uses{use(UseKind::Holder, {"nvme0n1", "nvme0n1p1", "zram0"}, "zram0")});
  tree.files.add_file("proc/swaps", "Filename Type Size Used Priority\n/dev/zram0 partition 1 0 100\n");
  CHECK(uses(tree) == Uses{use(UseKind::Swap, {"nvme0n1", "nvme0n1p1", "zram0"}, "/dev/zram0")});
}

TEST_CASE("A loop device tells what it stands on where its path does not") {
  auto tree = machine();
  tree.add_block(virtual_disks + "loop7", 7, 7);
  tree.files.add_file(virtual_disks + "loop7/loop/backing_file", "/jail/node\n");
  std::vector<std::string> asked;
  LoopBacking backing;
  const BlockSeams seams{.open_exclusive = [](const std::string&) { return 0; },
                         .signature = [](const std::string&) { return std::optional<std::string>{}; },
                         .loop_backing =
                             [&](const std::string& node) {
                               asked.push_back(node);
                               return std::optional(backing);
                             }};
  const auto found = [&] {
    return block_uses(tree, descendants_of(tree, function), read_mount_table(tree), seams).uses;
  };
  backing.node = DeviceNumber{259, 2};
  CHECK(found() == Uses{use(UseKind::Holder, {"nvme0n1", "nvme0n1p2", "loop7 (/jail/node)"}, "loop7 (/jail/node)")});
  backing = {.file_system = DeviceNumber{8, 1}};
  CHECK(found().empty());
  CHECK(asked == std::vector<std::string>{"/dev/loop7", "/dev/loop7"});
  also_mounted(tree, "30 20 0:40 / /jail rw - nfs server:/x rw");
  CHECK(found().empty());
  CHECK(asked.size() == 2);  // its server may be gone
}

}  // namespace devbindd::block_use_test

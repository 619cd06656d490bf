// SPDX-License-Identifier: Apache-2.0
// File systems on a function without a block device in between: seen by a mount table, or only by a use count.
#include "sysfs/use/shared_folders.hpp"

#include "tests/catch2.hpp"
#include "tests/sysfs/files_tree.hpp"

namespace devbindd::shared_folders_test {

namespace {

using namespace devbindd::sysfs;
using devbindd::tests::FilesTree;
using Uses = std::vector<Use>;

const std::string function = "sys/devices/pci0000:00/0000:00:04.0";

Uses uses(const FilesTree& tree, const std::string& driver = "virtio-pci") {
  const auto descendants = descendants_of(tree, function);
  return share_uses(tree, driver, descendants, read_mount_table(tree));
}

// A 9p share "data" on virtio1; with another one "root" on virtio0, which some other function has.
FilesTree machine(const std::string& use_count) {
  FilesTree tree;
  const std::string drivers = "sys/bus/virtio/drivers/9pnet_virtio/";
  tree.add_device(function + "/virtio1", "bus/virtio", {{"mount_tag", std::string("data\0", 5)}});
  tree.files.add_file(function + "/virtio1/mount_tag", std::string("data\0", 5));
  tree.files.add_link(function + "/virtio1/driver", "/sys/bus/virtio/drivers/9pnet_virtio");
  tree.files.add_link(drivers + "virtio1", "/" + function + "/virtio1");
  tree.files.add_file("sys/devices/pci0000:00/0000:00:05.0/virtio0/mount_tag", std::string("root\0", 5));
  tree.files.add_link(drivers + "virtio0", "/sys/devices/pci0000:00/0000:00:05.0/virtio0");
  if (!use_count.empty()) tree.files.add_file("sys/module/9pnet_virtio/refcnt", use_count + "\n");
  tree.add_process(1, "systemd");
  tree.add_mounts(1, "20 1 8:1 / / rw - ext4 /dev/sda1 rw\n");
  return tree;
}

void also_mounted(FilesTree& tree, const std::string& line) {
  tree.add_mounts(1, *tree.files.content("proc/1/mountinfo") + line + "\n");
}

Use use(UseKind kind, std::string name, std::string subject) {
  return {.kind = kind, .path = {std::move(name)}, .subject = std::move(subject)};
}

}  // namespace

TEST_CASE("A mounted 9p share is found by its tag, in whatever mount namespace") {
  auto tree = machine("1");
  also_mounted(tree, "30 20 0:40 / /srv rw - 9p data rw,trans=virtio");
  CHECK(uses(tree) == Uses{use(UseKind::ShareMounted, "virtio1", "/srv")});
  auto hidden = machine("1");
  hidden.add_process(77, "jailed");
  hidden.add_mounts(77, "30 20 0:40 / /srv rw - 9p data rw\n", 2);
  auto expected = use(UseKind::ShareMounted, "virtio1", "/srv");
  expected.processes = {{77, "jailed", "/srv"}};
  CHECK(uses(hidden) == Uses{expected});
}

TEST_CASE("A 9p share without a mount is idle only when the transport has no more users than are seen") {
  const Uses bound = {use(UseKind::ShareBound, "virtio1", "9p data")};
  CHECK(uses(machine("0")).empty());
  CHECK(uses(machine("1")) == bound);
  CHECK(uses(machine("")) == bound);  // built in: nobody counts
  auto tree = machine("1");
  also_mounted(tree, "30 20 0:40 / /other rw - 9p root rw");
  CHECK(uses(tree).empty());
  also_mounted(tree, "31 20 0:40 / /again rw - 9p root rw");  // the same one at a second place
  CHECK(uses(tree).empty());
  auto two = machine("2");
  also_mounted(two, "30 20 0:40 / /other rw - 9p root rw\n31 20 0:40 / /again rw - 9p root rw");
  CHECK(uses(two) == bound);
  auto far = machine("1");
  also_mounted(far, "30 20 0:41 / /far rw - 9p 192.0.2.1 rw,trans=tcp");
  CHECK(uses(far) == bound);
}

TEST_CASE("A share that no driver has is idle") {
  auto tree = machine("5");
  tree.files.add_link(function + "/virtio1/driver", "/sys/bus/virtio/drivers/virtio_net");
  CHECK(uses(tree).empty());
  CHECK_FALSE(may_have_shares(tree, "virtio-pci", descendants_of(tree, function)));
  CHECK(may_have_shares(machine("0"), "virtio-pci", descendants_of(machine("0"), function)));
}

TEST_CASE("A virtiofs share: any mount counts where the kernel does not tell the tag") {
  FilesTree tree;
  tree.add_device(function + "/virtio1", "bus/virtio");
  tree.files.add_link(function + "/virtio1/driver", "/sys/bus/virtio/drivers/virtiofs");
  tree.files.add_file("sys/module/virtiofs/refcnt", "0\n");
  tree.add_process(1, "systemd");
  tree.add_mounts(1, "20 1 8:1 / / rw - ext4 /dev/sda1 rw\n");
  CHECK(uses(tree).empty());
  tree.files.add_file("sys/module/virtiofs/refcnt", "1\n");
  CHECK(uses(tree) == Uses{use(UseKind::ShareBound, "virtio1", "virtiofs")});
  also_mounted(tree, "30 20 0:40 / /srv rw - virtiofs data rw");
  CHECK(uses(tree) == Uses{use(UseKind::ShareMounted, "virtio1", "/srv")});
  tree.files.add_link("sys/fs/virtiofs/3/device", "../../../devices/pci0000:00/0000:00:04.0/virtio1");
  tree.files.add_file("sys/fs/virtiofs/3/tag", "other\n");
  CHECK(uses(tree).empty());
  tree.files.add_file("sys/fs/virtiofs/3/tag", "data\n");
  CHECK(uses(tree) == Uses{use(UseKind::ShareMounted, "virtio1", "/srv")});
}

TEST_CASE("File systems on flash, and VirtualBox's folders") {
  FilesTree tree;
  tree.add_device(function + "/mtd/mtd3", "class/mtd", {{"dev", "90:6"}});
  tree.add_device(function + "/mtd/mtd3ro", "class/mtd", {{"dev", "90:7"}});
  tree.add_process(1, "systemd");
  tree.add_mounts(1, "20 1 8:1 / / rw - ext4 /dev/sda1 rw\n");
  CHECK(uses(tree).empty());
  also_mounted(tree, "30 20 31:3 / /flash rw - jffs2 mtd3 rw");
  CHECK(uses(tree) == Uses{use(UseKind::ShareMounted, "mtd3", "/flash")});
  tree.add_mounts(1, "20 1 8:1 / / rw - ext4 /dev/sda1 rw\n30 20 0:50 / /ubi rw - ubifs ubi1:root rw\n");
  tree.files.add_file("sys/class/ubi/ubi1/mtd_num", "3\n");
  tree.files.add_file("sys/class/ubi/ubi2/mtd_num", "4\n");
  CHECK(uses(tree) ==
        Uses{use(UseKind::ShareMounted, "mtd3", "/ubi"), use(UseKind::KernelUse, "mtd3", "UBI has taken it as ubi1")});
  FilesTree box;
  box.add_process(1, "systemd");
  box.add_mounts(1, "30 20 0:50 / /folder rw - vboxsf folder rw\n");
  CHECK(uses(box, "vboxguest") == Uses{use(UseKind::ShareMounted, "vboxguest", "/folder")});
  CHECK(uses(box, "e1000e").empty());
}

}  // namespace devbindd::shared_folders_test

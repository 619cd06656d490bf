// SPDX-License-Identifier: Apache-2.0
// What processes have open and mapped: every descriptor and every mapping that may be a device's, however it is named.
#include "sysfs/use/process_files.hpp"

#include <cerrno>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <iostream>

#include "sysfs/kernel/linux_tree.hpp"
#include "tests/catch2.hpp"
#include "tests/contract/faulty_tree.hpp"
#include "tests/sysfs/files_tree.hpp"
#include "tests/temporary_directory.hpp"

namespace devbindd::process_files_test {

namespace {

using namespace devbindd::sysfs;
using devbindd::tests::FilesTree;
using Names = std::vector<std::string>;

const std::string resource = "/sys/devices/pci0000:00/0000:00:03.0/resource0";

// "77 /dev/sda 8:0 block", "77 /x/resource0 0000:00:03.0 mapped 0+1000"
Names seen(const Tree& tree, ProcessesSeen* counts = nullptr) {
  Names lines;
  const auto done = each_process_file(tree, [&lines](const ProcessFile& file) {
    auto line = std::to_string(file.pid) + " " + file.path;
    if (file.number) line += " " + std::to_string(file.number->major) + ":" + std::to_string(file.number->minor);
    if (file.block) line += " block";
    if (file.function) line += " " + to_string(*file.function);
    if (file.mapped) line += " mapped " + std::to_string(file.offset) + "+" + std::to_string(file.length);
    lines.push_back(line);
  });
  REQUIRE(done);
  if (counts != nullptr) *counts = *done;
  return lines;
}

FilesTree machine() {
  FilesTree tree;
  tree.files.add_block_node("dev/sda", 8, 0);
  tree.files.add_node("dev/uio0", 0600, 242, 0);
  tree.files.add_node("dev/mem", 0600, 1, 1);
  tree.files.add_file(resource.substr(1), "");
  return tree;
}

}  // namespace

TEST_CASE("Files that are registered with io_uring are told by name") {
  auto tree = machine();
  tree.add_process(30, "fio", {{5, "anon_inode:[io_uring]"}});
  const auto with = [&tree](const std::string& files) {
    tree.files.add_file("proc/30/fdinfo/5", "pos:\t0\nSqThread:\t-1\n" + files + "UserBufs:\t1\n    0: 0x7f00/4096\n");
    ProcessesSeen counts;
    auto lines = seen(tree, &counts);
    lines.push_back(std::to_string(counts.hidden));
    return lines;
  };
  CHECK(with("UserFiles:\t3\n    0: sda\n    1: <none>\n    2: /dev/uio0\n") == Names{"30 sda", "30 /dev/uio0", "0"});
  CHECK(with("UserFiles:\t0\n") == Names{"0"});
  CHECK(with("UserFiles:\t2\n") == Names{"1"});  // the ring is busy
}

TEST_CASE("A node counts wherever it lies") {
  auto tree = machine();
  tree.files.add_block_node("home/node7", 8, 0);
  tree.add_process(30, "dd", {{3, "/dev/sda"}, {4, "/home/node7"}, {5, "socket:[8]"}, {6, "anon_inode:[eventpoll]"}});
  CHECK(seen(tree) == Names{"30 /dev/sda 8:0 block", "30 /home/node7 8:0 block"});
  tree.files.add_node("dev/null", 0666, 1, 3);
  tree.add_process(31, "daemon", {{0, "/dev/null"}, {1, "/dev/uio0"}});
  CHECK(seen(tree) == Names{"30 /dev/sda 8:0 block", "30 /home/node7 8:0 block", "31 /dev/uio0 242:0"});
}

TEST_CASE("A thread of the kernel is known by its flag, which a name cannot imitate") {
  auto tree = machine();
  const auto stat = [](std::string_view name, std::string_view flags) {
    return "30 (" + std::string(name) + ") S 2 0 0 0 -1 " + std::string(flags) + " 0 0 0 0 0 3 0 0 20 0 1 0 57 0 0\n";
  };
  tree.add_process(30, "kworker/0:1",
                   {{3, "/dev/sda"}});  // that it would not be there for a real one shows what was read
  CHECK(seen(tree) == Names{"30 /dev/sda 8:0 block"});
  tree.files.add_file("proc/30/stat", stat("kworker/0:1", "69238880"));  // PF_KTHREAD | PF_NOFREEZE | PF_WQ_WORKER...
  CHECK(seen(tree).empty());
  for (const auto* name : {"kthreadd) S 2 0 0 0 -1 2097152", "2097152 2097152 2097152", ") S 0 0 0 0 -1 2097152 ("}) {
    tree.files.add_file("proc/30/stat", stat(name, "4194560"));
    CHECK(seen(tree).size() == 1);
  }
  for (const auto* broken :
       {"", ")", "30 (x", "30 (x) S 2 0 0 0", "30 (x) S 2 0 0 0 -1 -1 0", "30 (x) S 2 0 0 0 -1 many 0"}) {
    tree.files.add_file("proc/30/stat", broken);
    CHECK(seen(tree).size() == 1);
  }
}

TEST_CASE("A child of kthreadd without a program is a thread of the kernel, and one with a program is not") {
  auto tree = machine();
  tree.add_process(30, "kworker/0:1", {{3, "/dev/sda"}});
  tree.files.add_file("proc/2/task/2/children", "3 30 4\n");
  CHECK(seen(tree).size() == 1);  // in a container any process may have that number
  CHECK(kernel_threads(tree).empty());
  tree.files.add_file("proc/2/stat", "2 (kthreadd) S 0 0 0 0 -1 2129984 0 0 0 0 0 3 0 0 20 0 1 0 57 0 0\n");
  CHECK(kernel_threads(tree) == std::set<std::int32_t>{2, 3, 4, 30});
  CHECK(seen(tree).empty());
  tree.files.add_link("proc/30/exe", "/usr/bin/kmod");
  CHECK(seen(tree) == Names{"30 /dev/sda 8:0 block"});
  tree.files.add_file("proc/2/task/2/children", "3 4\n");
  CHECK(seen(tree) == Names{"30 /dev/sda 8:0 block"});
}

TEST_CASE("A file on a remote file system is not asked, in the mount namespace of its process") {
  auto tree = machine();
  tree.files.add_block_node("srv/nfs/node7", 8, 0);
  tree.add_process(30, "far", {{3, "/srv/nfs/node7"}});
  tree.add_mounts(30, "20 1 8:1 / / rw - ext4 /dev/sda1 rw\n21 20 0:40 / /srv/nfs rw - nfs4 server:/x rw\n", 1);
  tree.add_process(31, "near", {{3, "/srv/nfs/node7"}});
  tree.add_mounts(31, "20 1 8:1 / / rw - ext4 /dev/sda1 rw\n", 2);
  tree.add_process(32, "same", {{3, "/srv/nfs/node7"}});
  tree.add_mounts(32, "", 1);
  CHECK(seen(tree) == Names{"31 /srv/nfs/node7 8:0 block"});
}

TEST_CASE("A mapping of a node counts without a descriptor; memory and libraries do not") {
  auto tree = machine();
  tree.files.add_node("dev/shm/x", 0600, 7, 7);
  tree.add_process(30, "uio");
  tree.files.add_node("usr/lib/uio.so", 0600, 242, 0);
  tree.add_mapping(30, "00400000-00402000", "r-xp", "00000000", "/usr/lib/uio.so");
  tree.add_mapping(30, "7f0000001000-7f0000003000", "rw-s", "00001000", "/dev/uio0");
  tree.add_mapping(30, "7f0000004000-7f0000005000", "rw-s", "00000000", "/dev/shm/x");
  tree.add_mapping(30, "7f0000006000-7f0000007000", "r--p", "00000000", "/dev/sda");
  CHECK(seen(tree) == Names{"30 /dev/uio0 242:0 mapped 4096+8192", "30 /dev/sda 8:0 block mapped 0+4096"});
}

TEST_CASE("Memory of a function, mapped in whatever way, and its resource file open") {
  auto tree = machine();
  tree.add_process(30, "opens", {{3, resource}, {4, "/sys/devices/pci0000:00/0000:00:03.0/config"}});
  tree.add_process(31, "maps");
  tree.add_mapping(31, "7f0000001000-7f0000002000", "rw-s", "00000000",
                   "/jail/devices/pci0000:00/0000:00:03.0/resource2_wc");
  tree.add_mapping(31, "7f0000002000-7f0000003000", "r--p", "00000000", "/proc/bus/pci/00/03.0");
  tree.add_mapping(31, "7f0000003000-7f0000004000", "r--s", "00000000", "/proc/bus/pci/10000:01/00.1");
  tree.add_process(32, "physical");
  tree.add_mapping(32, "7f0000001000-7f0000003000", "r--p", "fe000000", "/dev/mem");
  CHECK(seen(tree) == Names{"30 " + resource + " 0000:00:03.0",
                            "31 /jail/devices/pci0000:00/0000:00:03.0/resource2_wc 0000:00:03.0 mapped 0+4096",
                            "31 /proc/bus/pci/00/03.0 0000:00:03.0 mapped 0+4096",
                            "31 /proc/bus/pci/10000:01/00.1 10000:01:00.1 mapped 0+4096",
                            "32 /dev/mem 1:1 mapped 4261412864+8192"});
}

TEST_CASE("Names that are nearly those of PCI memory are none") {
  for (const auto* name : {"/sys/devices/pci0000:00/0000:00:03.0/resource", "/x/0000:00:03.0/resources0", "/resource0",
                           "resource0", "", "/x/03.0/resource0", "/x/0000:00:03.0/resource_resize"}) {
    INFO(name);
    CHECK_FALSE(function_of_resource_file(name));
    CHECK_FALSE(function_of_proc_file(name));
  }
  CHECK_FALSE(function_of_proc_file("/proc/bus/pci/devices"));
  CHECK_FALSE(function_of_proc_file("/home/bus/pci2/00/03.0"));
  CHECK_FALSE(function_of_proc_file("/00/03.0"));
}

TEST_CASE("Maps that make no sense are left out") {
  auto tree = machine();
  tree.add_process(30, "odd");
  for (const auto* line :
       {"", "/", "x-y rw-s 0 00:05 7 /dev/uio0", "2000-1000 rw-s 0 00:05 7 /dev/uio0",
        "1000-2000 rw 0 00:05 7 /dev/uio0", "1000 rw-s 0 00:05 7 /dev/uio0", "1000-2000 rw-s /dev/uio0"}) {
    tree.files.add_file("proc/30/maps", std::string(line) + "\n");
    CHECK(seen(tree).empty());
  }
}

TEST_CASE("A process whose first thread has ended is seen through another one") {
  auto tree = machine();
  tree.add_process(30, "led");
  tree.files.add_file("proc/30/maps", "");
  tree.files.add_directory("proc/30/task/30");
  tree.files.add_link("proc/30/task/31/fd/3", "/dev/uio0");
  tree.files.add_file("proc/30/task/31/maps", "");
  tree.files.add_link("proc/30/task/32/fd/3", "/dev/sda");
  CHECK(seen(tree) == Names{"30 /dev/uio0 242:0"});
}

TEST_CASE("A process that may not be seen is counted, one that is gone is not, the asking one is left out") {
  auto tree = machine();
  tree.add_process(30, "hidden", {{3, "/dev/sda"}});
  tree.add_process(31, "maps hidden", {{3, "/dev/sda"}});
  tree.files.add_directory("proc/32");
  tree.add_process(33, "asks", {{3, "/dev/sda"}});
  tree.files.add_link("proc/self", "33");
  devbindd::tests::FaultyTree faulty(tree);
  faulty.fail_below("proc/30/fd", EACCES);
  faulty.fail_below("proc/31/maps", EPERM);
  ProcessesSeen counts;
  CHECK(seen(faulty, &counts) == Names{"31 /dev/sda 8:0 block"});
  CHECK(counts.hidden == 2);
  CHECK(counts.unread == 0);
  CHECK(counts.descriptors == 1);
}

TEST_CASE("Ten thousand processes with a hundred descriptors each: the time is printed", "[long]") {
  const devbindd::tests::TemporaryDirectory folder;
  const auto& root = folder.path();
  // A hundred processes with files of their own; the others are links to them, which cost the same to look at.
  for (int kind = 0; kind < 100; ++kind) {
    const auto process = root / "kinds" / std::to_string(kind);
    std::filesystem::create_directories(process / "fd");
    for (int at = 0; at < 100; ++at) {
      const auto target = at % 10 == 0 ? "/dev/zero" : "socket:[" + std::to_string(at) + "]";
      std::filesystem::create_symlink(target, process / "fd" / std::to_string(at));
    }
    std::ofstream maps(process / "maps");
    for (int at = 0; at < 60; ++at) maps << "7f0000000000-7f0000001000 r-xp 00000000 08:01 77   /usr/lib/libc.so.6\n";
  }
  std::filesystem::create_directories(root / "proc");
  for (int pid = 1; pid <= 10000; ++pid)
    std::filesystem::create_symlink("../kinds/" + std::to_string(pid % 100), root / "proc" / std::to_string(pid));
  const auto tree = LinuxTree::open(root.string());
  REQUIRE(tree);
  std::size_t nodes = 0;
  const auto started = std::chrono::steady_clock::now();
  const auto counts = each_process_file(*tree, [&nodes](const ProcessFile&) { ++nodes; });
  const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - started;
  REQUIRE(counts);
  CHECK(counts->descriptors == 1000000);
  CHECK(nodes == 100000);  // /dev/zero is one
  std::cout << "note: a look through 10000 processes with 100 descriptors each took " << taken.count() << " s\n";
}

}  // namespace devbindd::process_files_test

// SPDX-License-Identifier: Apache-2.0
// The real Tree, on a directory made here. Nothing outside of it is touched.
#include "sysfs/kernel/linux_tree.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "sysfs/kernel/remembering_tree.hpp"
#include "tests/catch2.hpp"
#include "tests/temporary_directory.hpp"

namespace devbindd::linux_tree_test {

namespace {

using devbindd::sysfs::ErrorCode;
using devbindd::sysfs::exists;
using devbindd::sysfs::link_name;
using devbindd::sysfs::LinuxTree;
using devbindd::tests::TemporaryDirectory;
namespace fs = std::filesystem;

struct Folder {
  TemporaryDirectory directory;
  LinuxTree tree = std::move(LinuxTree::open(directory.path().string()).value());

  fs::path at(const std::string& path) const { return directory.path() / path; }
  void write(const std::string& path, const std::string& content) const {
    fs::create_directories(at(path).parent_path());
    std::ofstream(at(path), std::ios::binary) << content;
  }
  std::string content(const std::string& path) const {
    std::ostringstream text;
    text << std::ifstream(at(path), std::ios::binary).rdbuf();
    return text.str();
  }
};

}  // namespace

TEST_CASE("What is kept of a file is as large as the file", "[linux_tree]") {
  const Folder folder;
  const std::string alias = "pci:v00008086d000010D3sv00008086sd0000A01Fbc02sc00i00";
  folder.write("modalias", alias + "\n");
  const auto kept = folder.tree.read("modalias").value();
  CHECK(kept == alias);
  CHECK(kept.capacity() < 2 * alias.size());
}

TEST_CASE("Reading takes one newline off the end and no more") {
  Folder folder;
  folder.write("a", "0x8086\n");
  folder.write("b", "two\n\n");
  folder.write("c", "");
  folder.write("d", "\n");
  folder.write("e", std::string("x\0y", 3));
  CHECK(folder.tree.read("a").value() == "0x8086");
  CHECK(folder.tree.read("b").value() == "two\n");
  CHECK(folder.tree.read("c").value().empty());
  CHECK(folder.tree.read("d").value().empty());
  CHECK(folder.tree.read("e").value() == std::string("x\0y", 3));
}

TEST_CASE("Reading stops at the limit, which is 4096 bytes unless another is given") {
  Folder folder;
  folder.write("long", std::string(10'000, 'x'));
  CHECK(folder.tree.read("long").value().size() == 4096);
  CHECK(folder.tree.read("long", 5000).value().size() == 5000);
  CHECK(folder.tree.read("long", 20'000).value().size() == 10'000);
}

TEST_CASE("A failed read says what the kernel said, and on which file") {
  Folder folder;
  folder.write("file", "x");
  struct Row {
    std::string path;
    int errno_value;
  };
  const auto row = GENERATE(values<Row>({{"missing", ENOENT}, {"file/below", ENOTDIR}, {".", EISDIR}}));
  const auto content = folder.tree.read(row.path);
  REQUIRE_FALSE(content);
  CHECK(content.error().code == ErrorCode::Kernel);
  CHECK(content.error().errno_value == row.errno_value);
  CHECK(content.error().path == folder.directory.path().string() + "/" + row.path);
  CHECK(content.error().message.find(devbindd::sysfs::errno_name(row.errno_value)) != std::string::npos);
}

TEST_CASE("A file that may not be opened is EACCES") {
  if (::geteuid() == 0) return;  // root may open everything
  Folder folder;
  folder.write("closed", "x");
  fs::permissions(folder.at("closed"), fs::perms::none);
  CHECK(folder.tree.read("closed").error().errno_value == EACCES);
  CHECK(folder.tree.write("closed", "y").error().errno_value == EACCES);
}

TEST_CASE("A value is written as it is, in one piece, into a file that exists") {
  Folder folder;
  folder.write("attribute", "");
  REQUIRE(folder.tree.write("attribute", "vfio-pci"));
  CHECK(folder.content("attribute") == "vfio-pci");
  REQUIRE(folder.tree.write("attribute", "\n"));
  CHECK(folder.content("attribute") == "\nfio-pci");  // not truncated: a command, not a file

  CHECK(folder.tree.write("missing", "x").error().errno_value == ENOENT);
  CHECK_FALSE(fs::exists(folder.at("missing")));
  CHECK(folder.tree.write("attribute/below", "x").error().errno_value == ENOTDIR);
  CHECK(folder.tree.write(".", "x").error().errno_value == EISDIR);
}

TEST_CASE("A write arrives as one write: a pipe's reader gets it whole") {
  Folder folder;
  REQUIRE(::mkfifo(folder.at("pipe").c_str(), 0600) == 0);
  const devbindd::sysfs::FileDescriptor reader(::open(folder.at("pipe").c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  REQUIRE(folder.tree.write("pipe", "0000:05:00.0"));
  std::array<char, 64> buffer{};
  CHECK(::read(reader.get(), buffer.data(), buffer.size()) == 12);
}

TEST_CASE("The errno of a failed write is kept") {
  Folder folder;
  fs::create_symlink("/dev/full", folder.at("full"));
  const auto written = folder.tree.write("full", "x");
  REQUIRE_FALSE(written);
  CHECK(written.error().errno_value == ENOSPC);
  CHECK(written.error().path.ends_with("/full"));
}

TEST_CASE("A link is given as it is stored, and anything else is none") {
  Folder folder;
  folder.write("file", "x");
  fs::create_symlink("../../bus/pci/drivers/e1000e", folder.at("driver"));
  fs::create_symlink("plain", folder.at("short"));
  CHECK(folder.tree.link("driver").value() == "../../bus/pci/drivers/e1000e");
  CHECK(link_name(folder.tree, "driver").value() == "e1000e");
  CHECK(link_name(folder.tree, "short").value() == "plain");
  CHECK(folder.tree.link("missing").value() == std::nullopt);
  CHECK(folder.tree.link("file").value() == std::nullopt);
  CHECK(folder.tree.link("file/below").value() == std::nullopt);
  CHECK(link_name(folder.tree, "missing").value() == std::nullopt);
}

TEST_CASE("A directory is listed in order, without its dots") {
  Folder folder;
  for (const std::string name : {"c", "a", "b", ".hidden"}) folder.write("d/" + name, "");
  CHECK(folder.tree.list("d").value() == std::vector<std::string>{".hidden", "a", "b", "c"});
  fs::create_directories(folder.at("empty"));
  CHECK(folder.tree.list("empty").value().empty());
  CHECK(folder.tree.list("missing").error().errno_value == ENOENT);
  CHECK(folder.tree.list("d/a").error().errno_value == ENOTDIR);
}

TEST_CASE("The status of a node follows links and tells what it is") {
  Folder folder;
  folder.write("file", "x");
  fs::permissions(folder.at("file"), fs::perms::owner_read | fs::perms::group_read);
  fs::create_symlink("/dev/null", folder.at("null"));
  const auto file = folder.tree.status("file").value();
  REQUIRE(file);
  CHECK(file->mode == 0440);
  CHECK(file->uid == ::geteuid());
  CHECK_FALSE(file->character_device);
  CHECK_FALSE(file->directory);
  const auto null = folder.tree.status("null").value();
  REQUIRE(null);
  CHECK(null->character_device);
  CHECK(null->major == 1);
  CHECK(null->minor == 3);
  CHECK(folder.tree.status(".").value()->directory);
  CHECK(folder.tree.status("missing").value() == std::nullopt);
  CHECK(folder.tree.status("file/below").value() == std::nullopt);
  CHECK(exists(folder.tree, "file"));
  CHECK_FALSE(exists(folder.tree, "missing"));
}

TEST_CASE("A root that is no directory cannot be opened") {
  Folder folder;
  folder.write("file", "x");
  CHECK(LinuxTree::open(folder.at("missing").string()).error().errno_value == ENOENT);
  CHECK(LinuxTree::open(folder.at("file").string()).error().errno_value == ENOTDIR);
}

TEST_CASE("The directories of a directory are told, and links to some are not") {
  Folder folder;
  folder.write("d/file", "x");
  folder.write("d/second/file", "x");
  folder.write("d/first/file", "x");
  fs::create_directory_symlink("first", folder.at("d/link"));
  CHECK(folder.tree.directories("d").value() == std::vector<std::string>{"first", "second"});
  CHECK(folder.tree.Tree::directories("d").value() == std::vector<std::string>{"first", "second"});
  CHECK(folder.tree.directories("nowhere").error().errno_value == ENOENT);
  CHECK(folder.tree.directories("d/file").error().errno_value == ENOTDIR);
}

TEST_CASE("What is kept is read once, whether or not it can be read, and what is not is read again") {
  Folder folder;
  folder.write("kept", "first\n");
  folder.write("other", "first\n");
  devbindd::sysfs::RememberingTree tree(folder.tree, [](std::string_view path) { return path != "other"; });
  const auto contents = [&tree] {
    return tree.read("kept").value_or("") + " " + tree.read("other").value_or("") + " " +
           tree.read("missing").value_or("-");
  };
  CHECK(contents() == "first first -");
  folder.write("kept", "second\n");
  folder.write("other", "second\n");
  folder.write("missing", "there\n");
  CHECK(contents() == "first second -");
  CHECK(tree.read("kept", 3).value() == "sec");
  CHECK(tree.write("other", "x").error().errno_value == EROFS);
}

TEST_CASE("The links of a directory come with their targets, and nothing else does") {
  Folder folder;
  folder.write("d/file", "x");
  fs::create_directory_symlink("..", folder.at("d/up"));
  fs::create_symlink("socket:[7]", folder.at("d/3"));
  auto links = folder.tree.links("d", 10).value();
  std::ranges::sort(links, {}, &devbindd::sysfs::SymbolicLink::name);
  REQUIRE(links.size() == 2);
  CHECK(links[0].name == "3");
  CHECK(links[0].target == "socket:[7]");
  CHECK(links[1].target == "..");
  CHECK(folder.tree.links("d", 1).value().size() == 1);
  CHECK(folder.tree.links("nowhere", 1).error().errno_value == ENOENT);
  CHECK(folder.tree.links("d/file", 1).error().errno_value == ENOTDIR);
}

}  // namespace devbindd::linux_tree_test

// SPDX-License-Identifier: Apache-2.0
// A Tree over fake files that nothing moves: for code that only reads. Besides, words for what a kernel shows of disks,
// processes and mounts. Not here: anything that behaves (fake_kernel.hpp).
#pragma once

#include <cerrno>
#include <map>
#include <string>

#include "sysfs/kernel/tree.hpp"
#include "tests/fake_files.hpp"

namespace devbindd::tests {

class FilesTree : public sysfs::Tree {
 public:
  FakeFiles files;

  FilesTree() { files.add_directory("proc"); }

  /// A device below `path` ("sys/devices/...") of a class or bus ("class/block", "bus/virtio"), with its attributes.
  void add_device(const std::string& path, const std::string& subsystem,
                  const std::map<std::string, std::string>& attributes = {}) {
    files.add_directory(path);
    files.add_link(path + "/subsystem", "/sys/" + subsystem);
    for (const auto& [name, value] : attributes) files.add_file(path + "/" + name, value + "\n");
  }

  /// A block device at `path`, with its node and its place in /sys/class/block and /sys/block.
  void add_block(const std::string& path, std::uint32_t major, std::uint32_t minor,
                 std::map<std::string, std::string> attributes = {}) {
    const auto name = path.substr(path.rfind('/') + 1);
    attributes["dev"] = std::to_string(major) + ":" + std::to_string(minor);
    add_device(path, "class/block", attributes);
    files.add_directory(path + "/holders");
    files.add_link("sys/class/block/" + name, "/" + path);
    files.add_link("sys/dev/block/" + attributes["dev"], "/" + path);
    if (!attributes.contains("partition")) files.add_link("sys/block/" + name, "/" + path);
    files.add_block_node("dev/" + name, major, minor);
  }

  void add_holder(const std::string& held, const std::string& holder) {
    files.add_link(*files.resolve("sys/class/block/" + held) + "/holders/" + holder, "/sys/class/block/" + holder);
  }

  void add_process(int pid, const std::string& command, const std::map<int, std::string>& descriptors = {}) {
    const auto process = "proc/" + std::to_string(pid);
    files.add_file(process + "/comm", command + "\n");
    files.add_directory(process + "/fd");
    for (const auto& [number, target] : descriptors) files.add_link(process + "/fd/" + std::to_string(number), target);
  }

  /// A line of the process's maps, and the file that the mapping leads to.
  void add_mapping(int pid, const std::string& range, const std::string& flags, const std::string& offset,
                   const std::string& target) {
    const auto process = "proc/" + std::to_string(pid);
    const auto before = files.content(process + "/maps").value_or("");
    files.add_file(process + "/maps", before + range + " " + flags + " " + offset + " 00:05 77      " + target + "\n");
    files.add_link(process + "/map_files/" + range.substr(range.find_first_not_of('0')), target);
  }

  /// The mounts that the process sees, in a mount namespace of that number.
  void add_mounts(int pid, const std::string& mountinfo, int name_space = 1) {
    const auto process = "proc/" + std::to_string(pid);
    files.add_file(process + "/mountinfo", mountinfo);
    files.add_link(process + "/ns/mnt", "mnt:[" + std::to_string(name_space) + "]");
  }

  sysfs::Result<std::string> read(std::string_view path, std::size_t limit = 4096) const override {
    auto content = read_bytes(path, limit);
    if (content && content->ends_with('\n')) content->pop_back();
    return content;
  }
  sysfs::Result<std::string> read_bytes(std::string_view path, std::size_t limit) const override {
    auto content = files.content(path);
    if (!content) return failed(path, content.error());
    return content->substr(0, limit);
  }
  sysfs::Result<> write(std::string_view path, std::string_view) override { return failed(path, EROFS); }
  sysfs::Result<std::optional<std::string>> link(std::string_view path) const override {
    auto target = files.link_target(path);
    if (!target) return std::nullopt;
    return std::optional(*target);
  }
  sysfs::Result<std::vector<std::string>> list(std::string_view path) const override {
    auto names = files.names_in(path);
    if (!names) return failed(path, names.error());
    return *names;
  }
  sysfs::Result<std::optional<sysfs::NodeStatus>> status(std::string_view path) const override {
    auto status = files.status(path);
    if (!status) return std::nullopt;
    return std::optional(*status);
  }

 private:
  static std::unexpected<sysfs::Error> failed(std::string_view path, int errno_value) {
    return sysfs::fail(sysfs::ErrorCode::Kernel, sysfs::errno_text(errno_value), errno_value, "/" + std::string(path));
  }
};

}  // namespace devbindd::tests

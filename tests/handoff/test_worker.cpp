// SPDX-License-Identifier: Apache-2.0
// A worker process for the tests of the pool: the real worker loop on a directory instead of the kernel's file systems.
// Usage: test_worker ROOT [LOCKS [drivers]], with the daemon's socket as descriptor 3. With "drivers" those in the
// directory take devices and leave them, as the kernel's do.
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <string>

#include "handoff/worker/worker.hpp"
#include "sysfs/kernel/linux_tree.hpp"

namespace {

/// Never opens a node of the machine that the test runs on: a node is a file in memory with its path in it.
class NoIoctl final : public devbindd::vfio::Ioctl {
 public:
  devbindd::vfio::Result<devbindd::vfio::FileDescriptor> open_container() const override { return none(); }
  devbindd::vfio::Result<int> api_version(const devbindd::vfio::FileDescriptor&) const override { return none(); }
  devbindd::vfio::Result<int> check_extension(const devbindd::vfio::FileDescriptor&, unsigned long) const override {
    return none();
  }
  devbindd::vfio::Result<devbindd::vfio::FileDescriptor> open_node(const std::string& path) const override {
    if (path == "/dev/vfio/1") return none();
    devbindd::vfio::FileDescriptor file(::memfd_create("node", MFD_CLOEXEC));
    if (::pwrite(file.get(), path.data(), path.size(), 0) < 0) return none();
    return file;
  }
  devbindd::vfio::Result<int> call(const devbindd::vfio::FileDescriptor&, unsigned long,
                                   devbindd::vfio::Bytes&) const override {
    return none();
  }
  devbindd::vfio::Result<int> call(const devbindd::vfio::FileDescriptor&, unsigned long, unsigned long) const override {
    return none();
  }

 private:
  static std::unexpected<devbindd::sysfs::Error> none() {
    return devbindd::sysfs::fail(devbindd::sysfs::ErrorCode::Kernel, "there is no VFIO here", ENODEV);
  }
};

template <class T = void>
using Result = devbindd::sysfs::Result<T>;

class DriversTree final : public devbindd::sysfs::Tree {
 public:
  DriversTree(devbindd::sysfs::LinuxTree& files, std::string root) : files_(files), root_(std::move(root) + "/") {}

  Result<std::string> read(std::string_view path, std::size_t limit) const override { return files_.read(path, limit); }
  Result<std::string> read_bytes(std::string_view path, std::size_t limit) const override {
    return files_.read_bytes(path, limit);
  }
  Result<> write(std::string_view path, std::string_view value) override {
    if (path.ends_with("/driver_override")) return set_override(path, value);
    if (auto done = files_.write(path, value); !done) return done;
    const auto device = root_ + "sys/bus/pci/devices/" + std::string(value);
    const std::string file(path);
    const std::filesystem::path driver = std::filesystem::path(root_ + file).parent_path();
    if (file.ends_with("/unbind")) std::filesystem::remove(device + "/driver");
    if (file.ends_with("/bind")) std::filesystem::create_directory_symlink(driver, device + "/driver");
    return {};
  }
  Result<std::optional<std::string>> link(std::string_view path) const override { return files_.link(path); }
  Result<std::vector<std::string>> list(std::string_view path) const override { return files_.list(path); }
  Result<std::optional<devbindd::sysfs::NodeStatus>> status(std::string_view path) const override {
    return files_.status(path);
  }

 private:
  // A file keeps what is longer than the new text, an attribute does not. Source: drivers/pci/pci-sysfs.c.
  Result<> set_override(std::string_view path, std::string_view value) {
    std::ofstream file(root_ + std::string(path));
    file << (value == "\n" ? "(null)" : value) << '\n';
    if (file.flush()) return {};
    return devbindd::sysfs::fail(devbindd::sysfs::ErrorCode::Kernel, "cannot write " + std::string(path), EIO);
  }

  devbindd::sysfs::LinuxTree& files_;
  std::string root_;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2 || argc > 4) return 2;
  auto tree = devbindd::sysfs::LinuxTree::open(argv[1]);
  if (!tree) return 1;
  DriversTree drivers(*tree, argv[1]);
  devbindd::sysfs::Tree& chosen = argc == 4 ? static_cast<devbindd::sysfs::Tree&>(drivers) : *tree;
  const NoIoctl ioctl;
  const devbindd::sysfs::ModuleIndex modules{.directory = "/nonexistent", .config_paths = {"/nonexistent"}};
  return devbindd::handoff::run_worker(
      3,
      {.tree = chosen,
       .ioctl = ioctl,
       .modules = modules,
       .raise_locked_memory = [](auto, auto) -> devbindd::sysfs::Result<> { return {}; }},
      {}, argc >= 3 ? argv[2] : "");
}

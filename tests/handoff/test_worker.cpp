// A worker process for the tests of the pool: the real worker loop on a directory instead of the kernel's file systems.
// Usage: test_worker ROOT [LOCKS], with the daemon's socket as descriptor 3.
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>

#include "handoff/worker.hpp"
#include "sysfs/linux_tree.hpp"

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

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2 && argc != 3) return 2;
  auto tree = devbindd::sysfs::LinuxTree::open(argv[1]);
  if (!tree) return 1;
  const NoIoctl ioctl;
  const devbindd::sysfs::ModuleIndex modules{.directory = "/nonexistent", .config_paths = {"/nonexistent"}};
  return devbindd::handoff::run_worker(
      3,
      {.tree = *tree,
       .ioctl = ioctl,
       .modules = modules,
       .raise_locked_memory = [](auto, auto) -> devbindd::sysfs::Result<> { return {}; }},
      {}, argc == 3 ? argv[2] : "");
}

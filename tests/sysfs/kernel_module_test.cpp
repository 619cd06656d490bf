// SPDX-License-Identifier: Apache-2.0
// No module is ever loaded: the modules are made here, hold no code, and every path that would reach the kernel ends
// before it. Needs depmod.
#include "sysfs/kernel/kernel_module.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "sysfs/kernel/file_descriptor.hpp"
#include "sysfs/kernel/linux_tree.hpp"
#include "sysfs/kernel/module_bans.hpp"
#include "tests/catch2.hpp"

namespace devbindd::kernel_module_test {

namespace {

using devbindd::sysfs::BanKind;
using devbindd::sysfs::DriverName;
using devbindd::sysfs::ErrorCode;
using devbindd::sysfs::LinuxTree;
using devbindd::sysfs::load_module;
using devbindd::sysfs::module_bans;
using devbindd::sysfs::module_of_driver;
using devbindd::sysfs::module_state;
using devbindd::sysfs::ModuleIndex;
using devbindd::sysfs::modules_for;
using devbindd::sysfs::ModuleState;
using devbindd::sysfs::userspace_drivers;
using Names = std::vector<std::string>;

const std::string x710 = "pci:v00008086d00001572sv00008086sd00000001bc02sc00i00";
const std::string x710_alias = "pci:v00008086d00001572sv*sd*bc*sc*i*";

template <class Number>
void append(std::string& bytes, Number value) {
  bytes.append(reinterpret_cast<const char*>(&value), sizeof value);
}

void append_section(std::string& bytes, std::uint32_t name, std::uint32_t type, std::uint64_t offset,
                    std::uint64_t size) {
  append(bytes, name);
  append(bytes, type);
  append(bytes, std::uint64_t{0});
  append(bytes, std::uint64_t{0});
  append(bytes, offset);
  append(bytes, size);
  append(bytes, std::uint64_t{0});
  append(bytes, std::uint64_t{1});
  append(bytes, std::uint64_t{0});
}

// An ELF file with nothing but the section that depmod reads the aliases from.
std::string module_file(const Names& aliases) {
  constexpr std::uint64_t header_size = 64;
  const std::string names("\0.shstrtab\0.modinfo\0", 20);
  std::string info("license=GPL", 12);
  for (const auto& alias : aliases) info.append("alias=" + alias).push_back('\0');
  std::string bytes(
      "\x7f"
      "ELF\x02\x01\x01\0\0\0\0\0\0\0\0\0",
      16);
  append(bytes, std::uint16_t{1});   // relocatable
  append(bytes, std::uint16_t{62});  // x86-64
  append(bytes, std::uint32_t{1});
  append(bytes, std::uint64_t{0});
  append(bytes, std::uint64_t{0});
  append(bytes, header_size + names.size() + info.size());  // the section table
  append(bytes, std::uint32_t{0});
  for (const int field : {64, 0, 0, 64, 3, 1}) append(bytes, static_cast<std::uint16_t>(field));
  bytes += names + info;
  append_section(bytes, 0, 0, 0, 0);
  append_section(bytes, 1, 3, header_size, names.size());
  append_section(bytes, 11, 1, header_size + names.size(), info.size());
  return bytes;
}

// A root directory with a module index below lib/modules/6.1 and modprobe.d files.
class Host {
 public:
  Host() {
    auto pattern = (std::filesystem::temp_directory_path() / "kernel_module_XXXXXX").string();
    root_ = ::mkdtemp(pattern.data());
    write("etc/modprobe.d/empty.conf", "");
    write("proc/sys/kernel/osrelease", "6.1\n");
    // depmod expects these of a kernel's build
    for (const std::string file : {"order", "builtin", "builtin.modinfo"}) write("lib/modules/6.1/modules." + file, "");
    std::filesystem::create_directories(root_ / "sys/module");
  }
  Host(const Host&) = delete;
  Host& operator=(const Host&) = delete;
  ~Host() { std::filesystem::remove_all(root_); }

  void write(const std::string& name, const std::string& content) const {
    std::filesystem::create_directories((root_ / name).parent_path());
    std::ofstream(root_ / name, std::ios::binary) << content;
  }
  void add_module(const std::string& name, const Names& aliases = {}) const {
    write("lib/modules/6.1/kernel/" + name + ".ko", module_file(aliases));
  }
  void remove_module(const std::string& name) const {
    std::filesystem::remove(root_ / ("lib/modules/6.1/kernel/" + name + ".ko"));
  }
  void make_index() const {
    const auto command = "PATH=$PATH:/usr/sbin:/sbin depmod -b '" + root_.string() + "' 6.1";
    REQUIRE(std::system(command.c_str()) == 0);
  }
  void configure(const std::string& lines) const { write("etc/modprobe.d/test.conf", lines); }
  // A systemctl that notes how it was called and then does what `script` says.
  void boot_systemd(const std::string& script) const {
    std::filesystem::create_directories(root_ / "run/systemd/system");
    write("systemctl", "#!/bin/sh\ncd '" + root_.string() + "' && echo \"$*\" >called && env >environment\n" +
                           "readlink /proc/$$/fd/0 >stdin; ls /proc/$$/fd >descriptors\n" + script + "\n");
    std::filesystem::permissions(root_ / "systemctl", std::filesystem::perms::owner_all);
  }
  bool has(const std::string& name) const { return std::filesystem::exists(root_ / name); }
  std::string content(const std::string& name) const {
    std::ostringstream text;
    text << std::ifstream(root_ / name).rdbuf();
    return text.str();
  }
  LinuxTree tree() const { return std::move(LinuxTree::open(root_.string()).value()); }
  ModuleIndex index() const {
    return {
        (root_ / "lib/modules/6.1").string(), {(root_ / "etc/modprobe.d").string()}, (root_ / "systemctl").string()};
  }
  ModuleState state(const std::string& module) const { return module_state(tree(), index(), module).value(); }

 private:
  std::filesystem::path root_;
};

ErrorCode code_of(const devbindd::sysfs::Result<>& result) {
  REQUIRE_FALSE(result);
  return result.error().code;
}

}  // namespace

TEST_CASE("The modules for a device are those whose aliases match its modalias") {
  const Host host;
  host.add_module("i40e", {x710_alias});
  host.add_module("ixgbe", {"pci:v00008086d000010FBsv*sd*bc*sc*i*"});
  host.add_module("any-ethernet", {"pci:v*d*sv*sd*bc02sc00i*"});
  host.make_index();
  auto modules = modules_for(host.index(), x710);
  std::sort(modules.begin(), modules.end());
  CHECK(modules == Names{"any_ethernet", "i40e"});
  CHECK(modules_for(host.index(), "pci:v00001AF4d00001041sv0sd0bcFFsc00i00").empty());
}

TEST_CASE("A module that matches by several aliases is named once") {
  const Host host;
  host.add_module("i40e", {x710_alias, "pci:v00008086d00001572sv00008086sd*bc*sc*i*", "pci:v00008086d*sv*sd*bc*sc*i*"});
  host.make_index();
  CHECK(modules_for(host.index(), x710) == Names{"i40e"});
}

TEST_CASE("An alias of modprobe.d goes before the ones of the modules") {
  const Host host;
  host.add_module("i40e", {x710_alias});
  host.make_index();
  host.configure("alias " + x710_alias + " my-driver\n");
  CHECK(modules_for(host.index(), x710) == Names{"my_driver"});
}

TEST_CASE("A blacklisted module is still named as one for the device") {
  const Host host;
  host.add_module("i40e", {x710_alias});
  host.make_index();
  host.configure("blacklist i40e\n");
  CHECK(modules_for(host.index(), x710) == Names{"i40e"});
}

TEST_CASE("Without a module index or a modalias there are no modules") {
  const Host host;
  CHECK(modules_for(host.index(), x710).empty());
  host.make_index();
  CHECK(modules_for(host.index(), "").empty());
  CHECK(modules_for(host.index(), "]").empty());
}

TEST_CASE("A module in the index is loadable, by either spelling of its name") {
  const Host host;
  host.add_module("devbindd-test");
  host.make_index();
  CHECK(host.state("devbindd-test") == ModuleState::Loadable);
  CHECK(host.state("devbindd_test") == ModuleState::Loadable);
  CHECK(host.state("devbindd_other") == ModuleState::Unknown);
}

TEST_CASE("A module is loaded when the kernel lists it, whatever the index says") {
  const Host host;
  host.add_module("devbindd_test");
  host.make_index();
  host.configure("blacklist devbindd_test\n");
  host.write("sys/module/devbindd_test/initstate", "live\n");
  host.write("sys/module/devbindd_other/initstate", "live\n");
  CHECK(host.state("devbindd-test") == ModuleState::Loaded);
  CHECK(host.state("devbindd-other") == ModuleState::Loaded);
}

TEST_CASE("A module whose init function still runs is not loaded yet") {
  const Host host;
  host.add_module("devbindd_test");
  host.make_index();
  host.write("sys/module/devbindd_test/initstate", "coming\n");
  CHECK(host.state("devbindd_test") == ModuleState::Loadable);
}

TEST_CASE("A module of the kernel image is built in, with and without a folder of its own in sysfs") {
  const Host host;
  host.write("lib/modules/6.1/modules.builtin", "kernel/drivers/devbindd-test.ko\nkernel/drivers/devbindd_other.ko\n");
  host.make_index();
  host.write("sys/module/devbindd_other/parameters/debug", "0\n");
  CHECK(host.state("devbindd_test") == ModuleState::BuiltIn);
  CHECK(host.state("devbindd_other") == ModuleState::BuiltIn);
}

TEST_CASE("A module that modprobe.d forbids is blacklisted, and the file and line are named") {
  const auto [line, kind] =
      GENERATE(table<std::string, BanKind>({{"blacklist devbindd_test", BanKind::Blacklist},
                                            {"blacklist devbindd-test", BanKind::Blacklist},
                                            {"install devbindd_test /bin/false", BanKind::InstallCommand},
                                            {"install devbindd-test  /usr/bin/true", BanKind::InstallCommand},
                                            {"install devbindd* :", BanKind::InstallCommand},
                                            {"install devbindd[-_]test exit 1", BanKind::InstallCommand},
                                            {"alias devbindd_test off", BanKind::Alias}}));
  CAPTURE(line);
  const Host host;
  host.add_module("devbindd_test");
  host.make_index();
  host.configure("# a comment\noptions devbindd_test a=\\\n1\n" + line + "\n");
  CHECK(host.state("devbindd_test") == ModuleState::Blacklisted);
  const auto bans = module_bans(host.tree(), "devbindd_test");
  REQUIRE(bans.size() == 1);
  CHECK(bans.front().kind == kind);
  CHECK(bans.front().place == "/etc/modprobe.d/test.conf line 4");
  const auto loaded = load_module(host.tree(), host.index(), "devbindd_test");
  CHECK(code_of(loaded) == ErrorCode::ModuleBlacklisted);
  CHECK(loaded.error().message.ends_with(to_string(bans.front())));
}

TEST_CASE("A module that the kernel command line forbids is named with its kind") {
  const Host host;
  host.add_module("devbindd_test");
  host.make_index();
  host.write("proc/cmdline", "quiet module_blacklist=igb,devbindd_test modprobe.blacklist=devbindd_test -- x\n");
  CHECK(host.state("devbindd_test") == ModuleState::Blacklisted);  // libkmod would say that it can be loaded
  const auto bans = module_bans(host.tree(), "devbindd_test");
  REQUIRE(bans.size() == 2);
  CHECK(bans[0].kind == BanKind::KernelBlacklist);
  CHECK(bans[1].kind == BanKind::BootBlacklist);
  host.write("proc/cmdline", "module_blacklist=devbindd-test modprobe.blacklist=devbindd-test\n");
  CHECK(host.state("devbindd_test") == ModuleState::Loadable);
  CHECK(module_bans(host.tree(), "devbindd_test").empty());
}

TEST_CASE("Other lines of modprobe.d forbid nothing") {
  const Host host;
  host.add_module("devbindd_test");
  host.make_index();
  host.configure(
      "blacklist devbindd_testing\noptions devbindd_test a=1\ninstall devbindd_test /sbin/modprobe -i x\n"
      "install devbindd_test /bin/true\nalias devbindd_test devbindd-test\nblacklist\n");
  CHECK(host.state("devbindd_test") == ModuleState::Loadable);
  CHECK(module_bans(host.tree(), "devbindd_test").empty());
}

TEST_CASE("Without a module index only loaded modules are known") {
  const Host host;
  CHECK(host.state("devbindd_test") == ModuleState::Unknown);
  host.write("sys/module/devbindd_test/initstate", "live\n");
  CHECK(host.state("devbindd_test") == ModuleState::Loaded);
}

TEST_CASE("What is no module name goes nowhere") {
  const auto name = GENERATE(as<std::string>{}, "", "..", "a/b", "a b", "-b\n", "vfio;id", "vfio.ko", "a*",
                             std::string("a\0b", 3), std::string(64, 'a'), "\xc3\xbc");
  const Host host;
  host.make_index();
  host.boot_systemd("true");
  const auto state = module_state(host.tree(), host.index(), name);
  REQUIRE_FALSE(state);
  CHECK(state.error().code == ErrorCode::InvalidName);
  CHECK(code_of(load_module(host.tree(), host.index(), name)) == ErrorCode::InvalidName);
  CHECK_FALSE(host.has("called"));
}

TEST_CASE("What is loaded or built in needs no loading") {
  const Host host;
  host.write("lib/modules/6.1/modules.builtin", "kernel/drivers/devbindd_builtin.ko\n");
  host.make_index();
  host.boot_systemd("true");
  host.write("sys/module/devbindd_test/initstate", "live\n");
  CHECK(load_module(host.tree(), host.index(), "devbindd_test"));
  CHECK(load_module(host.tree(), host.index(), "devbindd_builtin"));
  CHECK_FALSE(host.has("called"));
}

TEST_CASE("A module that the kernel does not have is not found") {
  const Host host;
  host.make_index();
  host.boot_systemd("true");
  CHECK(code_of(load_module(host.tree(), host.index(), "devbindd_test")) == ErrorCode::ModuleNotFound);
  CHECK_FALSE(host.has("called"));
}

TEST_CASE("Under systemd a module is loaded by its modprobe unit") {
  const Host host;
  host.add_module("devbindd-test");
  host.make_index();
  host.boot_systemd("mkdir sys/module/devbindd_test && echo live >sys/module/devbindd_test/initstate");
  ::setenv("DEVBINDD_SECRET", "1", 1);
  const devbindd::sysfs::FileDescriptor inheritable(::dup2(STDERR_FILENO, 77));
  const auto done = load_module(host.tree(), host.index(), "devbindd-test");
  ::unsetenv("DEVBINDD_SECRET");
  REQUIRE(done);
  CHECK(host.content("called") == "--no-ask-password --quiet start modprobe@devbindd_test.service\n");
  CHECK(host.content("environment").find("DEVBINDD_SECRET") == std::string::npos);
  CHECK(host.content("environment").find("PATH=/usr/sbin:/usr/bin:/sbin:/bin\n") != std::string::npos);
  CHECK(host.content("stdin") == "/dev/null\n");
  CHECK(host.content("descriptors").find("77") == std::string::npos);
}

TEST_CASE("The modprobe unit always succeeds, so the kernel is asked whether the module is there") {
  const Host host;
  host.add_module("devbindd_test");
  host.make_index();
  host.boot_systemd("exit 0");
  CHECK(code_of(load_module(host.tree(), host.index(), "devbindd_test")) == ErrorCode::ModuleLoadFailed);
  CHECK(host.has("called"));
}

TEST_CASE("A systemctl that fails, dies or is missing is a failed load") {
  const auto* const script = GENERATE("exit 4", "kill -9 $$", "");
  const Host host;
  host.add_module("devbindd_test");
  host.make_index();
  host.boot_systemd(script);
  auto index = host.index();
  if (std::string(script).empty()) index.systemctl += "-missing";
  const auto done = load_module(host.tree(), index, "devbindd_test");
  CHECK(code_of(done) == ErrorCode::ModuleLoadFailed);
  CHECK(done.error().errno_value == (std::string(script).empty() ? ENOENT : 0));
}

TEST_CASE("Without systemd libkmod loads the module and its errno is kept") {
  const Host host;
  host.add_module("devbindd_test");
  host.make_index();
  host.remove_module("devbindd_test");  // so that nothing reaches the kernel
  const auto done = load_module(host.tree(), host.index(), "devbindd_test");
  CHECK(code_of(done) == ErrorCode::ModuleLoadFailed);
  CHECK(done.error().errno_value == ENOENT);
}

TEST_CASE("Without systemd an install command is refused and not run") {
  const Host host;
  host.add_module("devbindd_test");
  host.make_index();
  host.configure("install devbindd_test touch ${TMPDIR:-/tmp}/devbindd_install_command_ran\n");
  const auto ran = std::filesystem::temp_directory_path() / "devbindd_install_command_ran";
  const auto done = load_module(host.tree(), host.index(), "devbindd_test");
  CHECK(code_of(done) == ErrorCode::ModuleLoadFailed);
  CHECK(done.error().errno_value == EOPNOTSUPP);
  CHECK_FALSE(std::filesystem::exists(ran));
}

TEST_CASE("A driver's module has its name with underscores") {
  CHECK(module_of_driver(DriverName::parse("vfio-pci").value()) == "vfio_pci");
  CHECK(module_of_driver(DriverName::parse("mlx5_vfio_pci").value()) == "mlx5_vfio_pci");
}

TEST_CASE("The userspace drivers are those with a folder in sysfs or in the kernel image, in the script's order") {
  const Host host;
  CHECK(userspace_drivers(host.tree()).empty());
  host.write("sys/module/vfio_pci_core/initstate", "live\n");
  host.write("lib/modules/6.1/modules.builtin", "kernel/drivers/vfio/pci/vfio-pci-core.ko\nkernel/lib/uio.ko\n");
  CHECK(userspace_drivers(host.tree()).empty());
  host.write("sys/module/uio_pci_generic/initstate", "live\n");
  CHECK(userspace_drivers(host.tree()) == Names{"uio_pci_generic"});
  host.write("lib/modules/6.1/modules.builtin", "kernel/drivers/vfio/pci/vfio-pci.ko");
  CHECK(userspace_drivers(host.tree()) == Names{"vfio-pci", "uio_pci_generic"});
  host.write("sys/module/igb_uio/initstate", "live\n");
  CHECK(userspace_drivers(host.tree()) == Names{"igb_uio", "vfio-pci", "uio_pci_generic"});
}

TEST_CASE("The loaded module vfio_pci is the driver vfio-pci, and a built-in vfio_pci by that spelling is not") {
  const Host host;
  host.write("lib/modules/6.1/modules.builtin", "kernel/drivers/vfio/pci/vfio_pci.ko\nvfio-pci\nvfio-pci.ko.xz\n");
  CHECK(userspace_drivers(host.tree()).empty());
  host.write("sys/module/vfio_pci/initstate", "live\n");
  CHECK(userspace_drivers(host.tree()) == Names{"vfio-pci"});
}

}  // namespace devbindd::kernel_module_test

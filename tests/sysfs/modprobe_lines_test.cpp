// SPDX-License-Identifier: Apache-2.0
// modprobe.d line by line, and that libkmod reads the same in it.
#include "sysfs/kernel/modprobe_lines.hpp"

#include <libkmod.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <memory>

#include "tests/catch2.hpp"
#include "tests/fake_kernel.hpp"
#include "tests/temporary_directory.hpp"

namespace devbindd::modprobe_lines_test {

namespace {

using devbindd::sysfs::ModprobeLine;
using devbindd::sysfs::parse_modprobe_file;
using devbindd::sysfs::read_modprobe_lines;
using Names = std::vector<std::string>;

// Everything that the format has tricks for.
const std::string tricky =
    "# options vfio-pci ids=1:2\n"
    "#options vfio-pci ids=1:2 \\\n"
    "blacklist hidden_by_the_comment\n"
    "\n"
    "  options\tvfio-pci   ids=8086:1572,\\\n8086:1573   \n"
    "options vfio-pci ids=\"8086:1572 8086:1573\" a=b\n"
    "options vfio-pci ids=\\\"x\\\\y\n"
    "options vfio-pci\tids=1:2\tdisable_vga=1\n"
    "Options vfio-pci ids=1:2\n"
    "options\n"
    "options vfio\n"
    "  # indented\n"
    "blacklist igb\n"
    "black\\\nlist igc\n"
    "blacklist vfio-pci x\n"
    "blacklist vfio_pci\r\n"
    "blacklist\n"
    "install vfio_iommu_type1 /bin/false # not a comment\n"
    "install vfio-* /bin/true\n"
    "install a[-b]c-d :\n"
    "install nothing\n"
    "include /etc/other\n"
    "blacklist last-one";

std::string text_of(const std::string& command, std::string_view module, std::string arguments) {
  std::ranges::replace(arguments, '\t', ' ');
  const auto first = arguments.find_first_not_of(' ');
  arguments = first == std::string::npos ? "" : arguments.substr(first, arguments.find_last_not_of(' ') - first + 1);
  return command + "|" + std::string(module) + "|" + arguments;
}

Names texts(const std::vector<ModprobeLine>& lines, const std::string& command) {
  Names found;
  for (const auto& line : lines) {
    if (line.command == command)
      found.push_back(text_of(command, line.module, command == "blacklist" ? "" : line.arguments));
  }
  return found;
}

// What libkmod has read for one kind of line; those of this machine's kernel command line are left out.
Names of_libkmod(const std::string& directory, const std::string& command) {
  const char* const paths[] = {directory.c_str(), nullptr};
  const char* const none[] = {"/nonexistent", nullptr};
  const auto read = [&command](const char* const* from) {
    const std::unique_ptr<kmod_ctx, void (*)(kmod_ctx*)> context(::kmod_new("/nonexistent", from),
                                                                 [](kmod_ctx* made) { ::kmod_unref(made); });
    ::kmod_set_log_fn(context.get(), nullptr, nullptr);
    auto* lines = command == "options"   ? ::kmod_config_get_options(context.get())
                  : command == "install" ? ::kmod_config_get_install_commands(context.get())
                                         : ::kmod_config_get_blacklists(context.get());
    Names found;
    while (::kmod_config_iter_next(lines)) {
      const char* value = command == "blacklist" ? "" : ::kmod_config_iter_get_value(lines);
      found.push_back(text_of(command, ::kmod_config_iter_get_key(lines), value));
    }
    ::kmod_config_iter_free_iter(lines);
    return found;
  };
  auto found = read(paths);
  found.resize(found.size() - read(none).size());  // they come last
  return found;
}

}  // namespace

TEST_CASE("The lines of modprobe.d are those that libkmod takes, with its reading of quotes and backslashes") {
  const devbindd::tests::TemporaryDirectory directory;
  std::ofstream(directory.path() / "a.conf", std::ios::binary) << tricky;
  const auto lines = parse_modprobe_file("/a.conf", tricky);
  for (const std::string command : {"options", "install", "blacklist"}) {
    CAPTURE(command);
    const auto expected = of_libkmod(directory.path().string(), command);
    CHECK(expected.size() > 2);
    CHECK(texts(lines, command) == expected);
  }
}

TEST_CASE("A line of modprobe.d is named by its file and number, a continued one by where it begins") {
  const auto lines = parse_modprobe_file("/etc/modprobe.d/f.conf", "#\n\nblacklist \\\n\\\na\nblacklist b\n");
  REQUIRE(lines.size() == 2);
  CHECK(place_of(lines[0]) == "/etc/modprobe.d/f.conf line 3");
  CHECK(lines[0].module == "a");
  CHECK(place_of(lines[1]) == "/etc/modprobe.d/f.conf line 6");
}

TEST_CASE("The files of modprobe.d are read in the order of their names, and a name counts once") {
  devbindd::tests::FakeKernel kernel;
  kernel.set_file("etc/modprobe.d/m.conf", "blacklist m_of_etc\n");
  kernel.set_file("usr/lib/modprobe.d/m.conf", "blacklist m_of_usr\n");
  kernel.set_file("usr/lib/modprobe.d/a.conf", "blacklist a\n");
  kernel.set_file("run/modprobe.d/z.alias", "blacklist z\n");
  for (const auto* hidden : {".h.conf", ".conf", "x.conf.bak", "y.cnf"})
    kernel.set_file("etc/modprobe.d/" + std::string(hidden), "blacklist not_this\n");
  Names found;
  for (const auto& line : read_modprobe_lines(kernel)) found.push_back(line.module);
  CHECK(found == Names{"a", "m_of_etc", "z"});
}

}  // namespace devbindd::modprobe_lines_test

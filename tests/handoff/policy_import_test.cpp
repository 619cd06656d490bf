// SPDX-License-Identifier: Apache-2.0
// Policies out of driverctl's files and vfio-pci's module parameter, and the configuration that says them.
#include "handoff/policy/policy_import.hpp"

#include <array>
#include <cstdio>
#include <fstream>

#include "daemon/configuration.hpp"
#include "tests/catch2.hpp"
#include "tests/handoff/stage.hpp"

namespace devbindd::policy_import_test {

namespace {

using namespace devbindd;
using namespace devbindd::handoff;
using namespace devbindd::tests;

// libkmod reads its files itself, where they are named from the tree.
struct Host {
  FakeKernel kernel;
  TemporaryDirectory directory;
  sysfs::ModuleIndex index{.directory = "/nonexistent", .config_paths = {directory.path().string()}};

  void modprobe(const std::string& name, const std::string& content) {
    kernel.set_file("etc/modprobe.d/" + name, content);
    std::ofstream(directory.path() / name, std::ios::binary) << content;
  }
  PolicyImport import() const { return import_policies(kernel, index); }
};

std::vector<std::string> names(const PolicyImport& import) {
  std::vector<std::string> found;
  for (const auto& policy : import.policies) found.push_back(policy.name);
  return found;
}

std::string selector_text(const Selector& selector) {
  const auto hex = [](const AnyOf<std::uint16_t>& value) {
    if (!value) return std::string("-");
    std::array<char, 8> text{};
    std::snprintf(text.data(), text.size(), "%04x", unsigned{value.values.at(0)});
    return std::string(text.data());
  };
  return hex(selector.vendor) + " " + hex(selector.device) + " " + hex(selector.subsystem_vendor) + " " +
         hex(selector.subsystem_device) + " " + (selector.class_prefix ? selector.class_prefix.values.at(0) : "-");
}

}  // namespace

TEST_CASE("A host without other tools has nothing to import") {
  const auto import = Host().import();
  CHECK(import.policies.empty());
  CHECK(import.left_out.empty());
}

TEST_CASE("driverctl's overrides become policies of one device") {
  Host host;
  host.kernel.set_file("etc/driverctl.d/pci-0000:05:00.0", "vfio-pci\n");
  host.kernel.set_file("etc/driverctl.d/pci-0000:06:00.0", "none\n");
  host.kernel.set_file("etc/driverctl.d/vmbus-1", "uio_hv_generic\n");
  const auto import = host.import();
  REQUIRE(names(import) == std::vector<std::string>{"driverctl 0000:05:00.0"});
  CHECK(import.policies[0].selector.address == at("0000:05:00.0"));
  CHECK(import.policies[0].driver == driver_named("vfio-pci"));
  CHECK(import.policies[0].scope == Scope::Device);
  REQUIRE(import.left_out.size() == 1);
  CHECK(import.left_out[0].find("pci-0000:06:00.0: 'none'") != std::string::npos);
}

TEST_CASE("vfio-pci's IDs become policies, each once, in every way in which the kernel takes them") {
  const auto [id, selector] = GENERATE(table<std::string, std::string>({
      {"8086:10d3", "8086 10d3 - - -"},
      {"0x1912:0x0014", "1912 0014 - - -"},
      {"0X1912:0x14", "1912 0014 - - -"},
      {"1002:67DF", "1002 67df - - -"},
      {"10de:2204:ffffffff:FFFFFFFF", "10de 2204 - - -"},
      {"10de:2204:10de:147d", "10de 2204 10de 147d -"},
      {"10de:2204:10de", "10de 2204 10de - -"},
      {"10de:2204:ffffffff:147d", "10de 2204 - 147d -"},
      {"10de:ffffffff:ffffffff:ffffffff:030000:ff0000", "10de - - - 03"},
      {"ffffffff:ffffffff:ffffffff:ffffffff:010802:ffff00", "- - - - 0108"},
      {"8086:10d3:ffffffff:ffffffff:020000:ffffff", "8086 10d3 - - 020000"},
      {"8086:10d3:ffffffff:ffffffff:020000:0xffffffff", "8086 10d3 - - 020000"},
      {"8086:10d3:ffffffff:ffffffff:020000", "8086 10d3 - - -"},  // without a mask a class says nothing
      {"8086:10d3:", "8086 10d3 - - -"},
      {"8086:10d3xyz", "8086 10d3 - - -"},
      {" 8086: 10d3", "8086 10d3 - - -"},
  }));
  CAPTURE(id);
  Host host;
  host.modprobe("vfio.conf", "options vfio-pci ids=\"" + id + ",," + id + "\"\n");
  const auto import = host.import();
  REQUIRE(import.policies.size() == 1);
  CHECK(selector_text(import.policies.front().selector) == selector);
  CHECK(import.left_out.empty());
}

TEST_CASE("An ID that no policy can say is left out, with the file, the line and the true reason") {
  const auto [id, why] = GENERATE(table<std::string, std::string>({
      {"1002:", "without a vendor and a device"},
      {"1002", "without a vendor and a device"},
      {":1002", "without a vendor and a device"},
      {"vendor:device", "without a vendor and a device"},
      {"-1:2", "without a vendor and a device"},
      {"12345:10d3", "no device can have such a number"},
      {"8086:10d3:1ffff", "no device can have such a number"},
      {"8086:10d3:ffffffff:ffffffff:020000:0000ff", "its mask of the class"},
      {"ffffffff:ffffffff", "every device of the host"},
      {"ffffffff:ffffffff:ffffffff:ffffffff:020000:0", "every device of the host"},
  }));
  CAPTURE(id);
  Host host;
  host.modprobe("vfio.conf", "# two IDs\noptions vfio-pci disable_vga=1 ids=1:2," + id + "\n");
  const auto import = host.import();
  CHECK(names(import) == std::vector<std::string>{"vfio-pci.ids 0001:0002"});
  REQUIRE(import.left_out.size() == 1);
  CHECK_THAT(import.left_out[0],
             Catch::Matchers::StartsWith("/etc/modprobe.d/vfio.conf line 2: the ID '" + id + "': "));
  CHECK_THAT(import.left_out[0], devbindd::tests::has_text(why));
}

TEST_CASE("The value of ids is read as kmod and the kernel read it") {
  Host host;
  SECTION("in modprobe.d") {
    const auto line = GENERATE(as<std::string>{}, "ids=\"1002:67df,1002:aaf0\"", "\"ids=1002:67df,1002:aaf0\"",
                               "ids=1002:67df,\\\n1002:aaf0", "\tids=1002:67df,1002:aaf0\tdisable_vga=1",
                               "disable_vga ids=1002:67df,1002:aaf0", "ids=\"1002:67df, 1002:aaf0\"",
                               "ids=1002:67df,1002:aaf0 -- ids=1:2", "idss=1:2 ids=1002:67df,1002:aaf0");
    CAPTURE(line);
    host.modprobe("vfio.conf", "options vfio-pci " + line + "\n");
    CHECK(host.import().policies.size() == 2);
  }
  SECTION("on the kernel command line") {
    const auto words = GENERATE(as<std::string>{}, "vfio-pci.ids=1002:67df,1002:aaf0",
                                "vfio_pci.ids=\"1002:67df,1002:aaf0\"", "\"vfio-pci.ids=1002:67df, 1002:aaf0\" quiet",
                                "quiet vfio-pci.ids=1002:67df,0x1002:aaf0 -- vfio-pci.ids=1:2");
    CAPTURE(words);
    host.kernel.set_file("proc/cmdline", words + "\n");
    CHECK(host.import().policies.size() == 2);
  }
  const auto import = host.import();
  CHECK(names(import) == std::vector<std::string>{"vfio-pci.ids 1002:67df", "vfio-pci.ids 1002:aaf0"});
  CHECK(import.left_out.empty());
}

TEST_CASE("Of several ids the last counts, which is the kernel command line's, and the others are told") {
  Host host;
  host.modprobe("b.conf", "options vfio_pci ids=1:3\noptions vfio enable_unsafe_noiommu_mode=1\nblacklist vfio_pci\n");
  host.modprobe("a.conf", "options vfio-pci ids=1:2\noptions vfio-pci disable_vga=1\n");
  auto import = host.import();
  CHECK(names(import) == std::vector<std::string>{"vfio-pci.ids 0001:0003"});
  CHECK(import.left_out ==
        std::vector<std::string>{"/etc/modprobe.d/a.conf line 1: ids=1:2 does not count: a later one is "
                                 "in /etc/modprobe.d/b.conf line 1"});
  host.kernel.set_file("proc/cmdline", "vfio-pci.ids=8:9 quiet ids=1:9 vfio_pci.ids=1:4\n");
  import = host.import();
  CHECK(names(import) == std::vector<std::string>{"vfio-pci.ids 0001:0004"});
  CHECK(import.left_out.size() == 3);
  host.kernel.set_file("proc/cmdline", "vfio-pci.ids=\n");
  CHECK(host.import().policies.empty());
}

TEST_CASE("A list of IDs that is too long for vfio-pci is left out as a whole") {
  Host host;
  std::string ids = "8086:10d3";
  while (ids.size() < 1023) ids += ",";
  host.modprobe("vfio.conf", "options vfio-pci ids=" + ids + "\n");
  CHECK(host.import().policies.size() == 1);
  host.modprobe("vfio.conf", "options vfio-pci ids=" + ids + ",\n");
  CHECK(host.import().policies.empty());
  CHECK(host.import().left_out.size() == 1);
}

TEST_CASE("What is imported is a configuration as it stands") {
  Host host;
  host.kernel.set_file("etc/driverctl.d/pci-0000:05:00.0", "igb_uio\n");
  host.kernel.set_file("proc/cmdline", "vfio-pci.ids=8086:10d3,10de:2204:10de:147d:030000:ffff00");
  const auto import = host.import();
  const auto read = daemon::parse_configuration(configuration_of(import.policies));
  REQUIRE(read);
  REQUIRE(read->policies.size() == 3);
  for (std::size_t at = 0; at < 3; ++at) {
    const auto& made = read->policies[at];
    const auto& meant = import.policies[at];
    CHECK(made.name == meant.name);
    CHECK(made.driver == meant.driver);
    CHECK(made.scope == meant.scope);
    CHECK(made.selector.address == meant.selector.address);
    CHECK(selector_text(made.selector) == selector_text(meant.selector));
  }
}

}  // namespace devbindd::policy_import_test

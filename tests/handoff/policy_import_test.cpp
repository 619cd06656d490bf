// Policies out of driverctl's files and vfio-pci's module parameter, and the configuration that says them.
#include "handoff/policy_import.hpp"

#include "daemon/configuration.hpp"
#include "tests/catch2.hpp"
#include "tests/handoff/stage.hpp"

namespace {

using namespace devbindd;
using namespace devbindd::handoff;
using namespace devbindd::tests;

std::vector<std::string> names(const PolicyImport& import) {
  std::vector<std::string> found;
  for (const auto& policy : import.policies) found.push_back(policy.name);
  return found;
}

}  // namespace

TEST_CASE("A host without other tools has nothing to import") {
  FakeKernel kernel;
  const auto import = import_policies(kernel);
  CHECK(import.policies.empty());
  CHECK(import.left_out.empty());
}

TEST_CASE("driverctl's overrides become policies of one device") {
  FakeKernel kernel;
  kernel.set_file("etc/driverctl.d/pci-0000:05:00.0", "vfio-pci\n");
  kernel.set_file("etc/driverctl.d/pci-0000:06:00.0", "none\n");
  kernel.set_file("etc/driverctl.d/vmbus-1", "uio_hv_generic\n");
  const auto import = import_policies(kernel);
  REQUIRE(names(import) == std::vector<std::string>{"driverctl 0000:05:00.0"});
  CHECK(import.policies[0].selector.address == at("0000:05:00.0"));
  CHECK(import.policies[0].driver == driver_named("vfio-pci"));
  CHECK(import.policies[0].scope == Scope::Device);
  REQUIRE(import.left_out.size() == 1);
  CHECK(import.left_out[0].find("pci-0000:06:00.0: 'none'") != std::string::npos);
}

TEST_CASE("vfio-pci's IDs become policies, from modprobe.d and from the kernel command line, each once") {
  FakeKernel kernel;
  kernel.set_file("etc/modprobe.d/vfio.conf",
                  "options vfio-pci ids=8086:10d3,10de:2204:ffffffff:ffffffff disable_vga=1\n"
                  "options vfio_pci ids=1002:\noptions vfio enable_unsafe_noiommu_mode=1\nblacklist vfio_pci\n");
  kernel.set_file("proc/cmdline", "quiet vfio-pci.ids=8086:10d3,8086:10c9:8086:0001 ids=1:2 vfio_pci.ids= iommu=pt\n");
  const auto import = import_policies(kernel);
  CHECK(names(import) ==
        std::vector<std::string>{"vfio-pci.ids 8086:10d3", "vfio-pci.ids 10de:2204:ffffffff:ffffffff"});
  CHECK(import.policies[1].selector.vendor == 0x10de);
  CHECK(import.policies[1].selector.device == 0x2204);
  REQUIRE(import.left_out.size() == 2);
  CHECK(import.left_out[0].find("/etc/modprobe.d/vfio.conf: the ID '1002:'") != std::string::npos);
  CHECK(import.left_out[1].find("/proc/cmdline: the ID '8086:10c9:8086:0001'") != std::string::npos);
}

TEST_CASE("What is imported is a configuration as it stands") {
  FakeKernel kernel;
  kernel.set_file("etc/driverctl.d/pci-0000:05:00.0", "igb_uio\n");
  kernel.set_file("proc/cmdline", "vfio-pci.ids=8086:10d3");
  const auto import = import_policies(kernel);
  const auto read = daemon::parse_configuration(configuration_of(import.policies));
  REQUIRE(read);
  REQUIRE(read->policies.size() == 2);
  for (std::size_t at = 0; at < 2; ++at) {
    const auto& made = read->policies[at];
    const auto& meant = import.policies[at];
    CHECK(made.name == meant.name);
    CHECK(made.driver == meant.driver);
    CHECK(made.scope == meant.scope);
    CHECK(made.selector.address == meant.selector.address);
    CHECK(made.selector.vendor == meant.selector.vendor);
    CHECK(made.selector.device == meant.selector.device);
  }
}

// SPDX-License-Identifier: Apache-2.0
// Driver names: what may be put into a path, and what a name says.
#include "sysfs/kernel/driver_name.hpp"

#include "tests/catch2.hpp"

namespace devbindd::driver_name_test {

using devbindd::sysfs::DriverName;
using devbindd::sysfs::ErrorCode;

TEST_CASE("A driver name is what can stand below /sys/bus/pci/drivers") {
  const auto text =
      GENERATE(values<std::string>({"e1000e", "vfio-pci", "mlx5_vfio_pci", "xe-vfio-pci", "Intel(R) driver", "a",
                                    "8139too", "..x", "PCI-DMA!x", std::string(63, 'a')}));
  const auto name = DriverName::parse(text);
  REQUIRE(name);
  CHECK(name->text() == text);
}

TEST_CASE("A driver name that could leave its directory or match nothing is refused") {
  const auto text = GENERATE(
      values<std::string>({"", ".", "..", "a/b", "/", "../vfio-pci", "vfio-pci ", " vfio-pci", " ", "vfio-pci\n",
                           "a\tb", "\x7f", "\xc3\xa9", std::string(64, 'a'), std::string("a\0b", 3)}));
  CAPTURE(text);
  const auto name = DriverName::parse(text);
  REQUIRE_FALSE(name);
  CHECK(name.error().code == ErrorCode::InvalidName);
}

TEST_CASE("A driver's name tells whether it is one of VFIO's, and whether it leaves its group viable") {
  struct Row {
    std::string name;
    bool vfio;
    bool manages_dma;
  };
  const auto row = GENERATE(values<Row>({{"vfio-pci", true, true},
                                         {"mlx5_vfio_pci", true, true},
                                         {"xe-vfio-pci", true, true},
                                         {"pci-stub", false, true},
                                         {"pcieport", false, true},
                                         {"uio_pci_generic", false, false},
                                         {"igb_uio", false, false},
                                         {"e1000e", false, false},
                                         {"vfio-pci-core", false, false},
                                         {"vfio", false, false}}));
  const auto name = DriverName::parse(row.name).value();
  CHECK(is_vfio_driver(name) == row.vfio);
  CHECK(manages_dma(name) == row.manages_dma);
}

}  // namespace devbindd::driver_name_test

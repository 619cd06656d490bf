// SPDX-License-Identifier: Apache-2.0
#include "tests/attack/host_directory.hpp"

#include <filesystem>
#include <fstream>

#include "sysfs/kernel/pci_address.hpp"

namespace devbindd::tests {
namespace {

namespace fs = std::filesystem;

constexpr const char* driver_of_host = "first";

void make_file(const fs::path& path, const std::string& content) { std::ofstream(path) << content; }

std::string address_at(unsigned domain, unsigned number) {
  return sysfs::to_string(sysfs::PciAddress{domain, static_cast<std::uint8_t>(number / 256),
                                            static_cast<std::uint8_t>(number / 8 % 32),
                                            static_cast<std::uint8_t>(number % 8)});
}

}  // namespace

void make_host(const std::string& root) {
  const fs::path sys = fs::path(root) / "sys";
  fs::create_directories(fs::path(root) / "proc");
  fs::create_directories(fs::path(root) / "dev/vfio");
  fs::create_directories(sys / "bus/pci/devices");
  fs::create_directories(sys / "kernel/iommu_groups");
  for (const auto* driver : {driver_of_host, "vfio-pci"}) {
    fs::create_directories(sys / "bus/pci/drivers" / driver);
    for (const auto* file : {"bind", "unbind"}) make_file(sys / "bus/pci/drivers" / driver / file, "");
  }
}

void add_cards(const std::string& root, const Cards& cards) {
  const fs::path sys = fs::path(root) / "sys";
  for (unsigned number = 0; number < cards.count; ++number) {
    const auto address = address_at(cards.domain, number);
    const auto device = sys / "bus/pci/devices" / address;
    const auto group = sys / "kernel/iommu_groups" / std::to_string(cards.first_group + number);
    fs::create_directory(device);
    fs::create_directories(group / "devices" / address);
    make_file(group / "type", "DMA\n");
    make_file(device / "vendor", "0x8086\n");
    make_file(device / "device", cards.device + "\n");
    make_file(device / "class", "0x120000\n");  // an accelerator: nothing of the host's hangs on it
    make_file(device / "enable", "0\n");
    make_file(device / "driver_override", "(null)\n");
    fs::create_directory_symlink(group, device / "iommu_group");
    fs::create_directory_symlink(sys / "bus/pci/drivers" / driver_of_host, device / "driver");
    make_file(fs::path(root) / "dev/vfio" / std::to_string(cards.first_group + number), "");
  }
}

}  // namespace devbindd::tests

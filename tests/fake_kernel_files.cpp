// SPDX-License-Identifier: Apache-2.0
// FakeKernel's model as the files that the kernel would show. See fake_kernel.hpp.
#include <array>
#include <cstdio>

#include "tests/fake_kernel.hpp"

namespace devbindd::tests {
namespace {

template <class... Values>
std::string formatted(const char* format, Values... values) {
  std::array<char, 128> text{};
  const int length = std::snprintf(text.data(), text.size(), format, values...);
  return {text.data(), static_cast<std::size_t>(length)};
}

std::string modalias_of(const FakeDevice& device) {
  return formatted("pci:v%08Xd%08Xsv%08Xsd%08Xbc%02Xsc%02Xi%02X", unsigned{device.vendor}, unsigned{device.device},
                   unsigned{device.subsystem_vendor}, unsigned{device.subsystem_device}, device.class_code >> 16U,
                   (device.class_code >> 8U) & 0xffU, device.class_code & 0xffU);
}

// A type 0 header without capabilities. The IDs of a VF are all ones, and its command register is not; its BARs
// are its PF's.
std::string plain_config(const FakeDevice& device) {
  std::string bytes(256, '\0');
  const auto put = [&](std::size_t offset, std::uint32_t value, std::size_t size) {
    for (std::size_t at = 0; at < size; ++at) bytes[offset + at] = static_cast<char>((value >> (8 * at)) & 0xffU);
  };
  put(0x00, device.physfn ? 0xffffU : device.vendor, 2);
  put(0x02, device.physfn ? 0xffffU : device.device, 2);
  put(0x08, device.class_code << 8U | 1U, 4);
  if (!device.physfn) put(0x10, 0xfe000000U, 4);  // as in the resource file
  if (!device.physfn) put(0x18, 0xc001U, 4);
  put(0x2c, device.subsystem_vendor, 2);
  put(0x2e, device.subsystem_device, 2);
  return bytes;
}

// From a directory below sys/ back to sys/.
std::string up_to_sys(const std::string& path) {
  std::string up;
  for (const char c : path) up += c == '/' ? "../" : "";
  return up;
}

std::string module_of(const FakeDriver& driver) {
  auto module = driver.module.empty() ? driver.name : driver.module;
  for (char& c : module) c = c == '-' ? '_' : c;
  return module;
}

}  // namespace

const FakeFiles& FakeKernel::files() const {
  if (files_) return *files_;
  FakeFiles files;
  for (const auto* directory : {"sys/bus/pci/devices", "sys/bus/pci/drivers", "sys/kernel/iommu_groups",
                                "sys/class/iommu", "sys/class/net", "sys/module", "proc", "dev"}) {
    files.add_directory(directory);
  }
  files.add_file("sys/bus/pci/drivers_probe", "", 0200);
  files.add_file("sys/bus/pci/drivers_autoprobe", "1\n");
  for (const auto& driver : drivers_) show_driver(files, driver);
  for (const auto& [address, device] : devices_) show_device(files, device);
  for (const auto& [lower, upper] : stacked_) {
    files.add_directory("sys/class/net/" + upper);
    files.add_link("sys/class/net/" + lower + "/upper_" + upper, "../" + upper);
  }
  show_groups(files);
  show_vfio_nodes(files);
  show_processes(files);
  for (const auto& [path, content] : extra_files_) files.add_file(path, content);
  files_ = std::move(files);
  return *files_;
}

std::string FakeKernel::device_path(const FakeDevice& device) const {
  const auto above = devices_.find(device.parent);
  const auto domain = device.address.substr(0, device.address.find(':'));
  return (above != devices_.end() ? device_path(above->second) : "sys/devices/pci" + domain + ":00") + "/" +
         device.address;
}

void FakeKernel::show_device(FakeFiles& files, const FakeDevice& device) const {
  const auto path = device_path(device);
  const auto add = [&](const std::string& name, const std::string& content) {
    files.add_file(path + "/" + name, content + "\n");
  };
  files.add_directory(path, device.inode);
  files.add_link("sys/bus/pci/devices/" + device.address, "../../../" + path.substr(4));
  add("vendor", formatted("0x%04x", unsigned{device.vendor}));
  add("device", formatted("0x%04x", unsigned{device.device}));
  add("subsystem_vendor", formatted("0x%04x", unsigned{device.subsystem_vendor}));
  add("subsystem_device", formatted("0x%04x", unsigned{device.subsystem_device}));
  add("class", formatted("0x%06x", device.class_code));
  add("revision", "0x01");
  add("modalias", modalias_of(device));
  add("numa_node", std::to_string(device.numa_node));
  add("driver_override", device.driver_override.value_or("(null)"));
  // A memory BAR of 128 KiB and an I/O BAR of 32 ports.
  const std::string unused = "0x0000000000000000 0x0000000000000000 0x0000000000000000\n";
  add("resource", "0x00000000fe000000 0x00000000fe01ffff 0x0000000000040200\n" + unused +
                      "0x000000000000c000 0x000000000000c01f 0x0000000000040101\n" + unused + unused + unused + unused);
  files.add_file(path + "/config", device.config.empty() ? plain_config(device) : device.config);
  if (device.totalvfs > 0) {
    add("sriov_totalvfs", std::to_string(device.totalvfs));
    add("sriov_drivers_autoprobe", device.drivers_autoprobe ? "1" : "0");
    add("sriov_offset", std::to_string(device.vf_offset));
    add("sriov_stride", std::to_string(device.vf_stride));
    add("sriov_vf_device", formatted("%x", unsigned{device.vf_device}));
    add("sriov_numvfs", std::to_string(vfs_of(device.address)));
  }
  if (device.reset_errno) files.add_file(path + "/reset", "", 0200);
  if (device.physfn) files.add_link(path + "/physfn", "../" + *device.physfn);
  unsigned index = 0;
  for (const auto& [address, other] : devices_) {
    if (other.physfn == device.address) files.add_link(path + "/virtfn" + std::to_string(index++), "../" + address);
  }
  if (device.group)
    files.add_link(path + "/iommu_group", up_to_sys(path) + "kernel/iommu_groups/" + std::to_string(*device.group));
  show_binding(files, device, path);
}

void FakeKernel::show_binding(FakeFiles& files, const FakeDevice& device, const std::string& path) const {
  const bool vfio = bound_to_vfio(device);
  const bool enabled = vfio || device.unbinding ? device.opens > 0 : device.driver.has_value();
  files.add_file(path + "/enable", enabled ? "1\n" : "0\n");
  if (!device.driver || device.unbinding) return;
  files.add_link(path + "/driver", up_to_sys(path) + "bus/pci/drivers/" + *device.driver);
  files.add_link("sys/bus/pci/drivers/" + *device.driver + "/" + device.address, "../../../../" + path.substr(4));
  if (device.vfio_number) files.add_directory(path + "/vfio-dev/vfio" + std::to_string(*device.vfio_number));
  if (vfio) return;
  for (const auto& interface : device.interfaces) {
    files.add_directory(path + "/net/" + interface);
    files.add_directory("sys/class/net/" + interface);
  }
  for (const auto& [kind, directory] : device.class_devices) {
    files.add_link(path + "/" + directory + "/subsystem", "/sys/class/" + kind);
    files.add_link("sys/class/" + kind + directory.substr(directory.rfind('/')),
                   "../../" + path.substr(4) + "/" + directory);
  }
}

void FakeKernel::show_driver(FakeFiles& files, const FakeDriver& driver) const {
  const auto path = "sys/bus/pci/drivers/" + driver.name;
  files.add_file(path + "/uevent", "", 0200);
  if (driver.bindable) {
    files.add_file(path + "/bind", "", 0200);
    files.add_file(path + "/unbind", "", 0200);
  }
  files.add_file(path + "/new_id", "", 0200);
  files.add_file(path + "/remove_id", "", 0200);
  files.add_link(path + "/module", "../../../../module/" + module_of(driver));
  files.add_directory("sys/module/" + module_of(driver));
  if (fake_is_vfio(driver.name)) {
    files.add_directory("sys/module/vfio_iommu_type1");
    files.add_file("sys/module/vfio/parameters/enable_unsafe_noiommu_mode", noiommu_mode_ ? "Y\n" : "N\n");
    files.add_file("sys/module/vfio_pci/parameters/enable_sriov", vfio_sriov_ ? "Y\n" : "N\n");
  }
}

void FakeKernel::show_groups(FakeFiles& files) const {
  for (const auto& [address, device] : devices_) {
    if (!device.group) continue;
    const auto path = "sys/kernel/iommu_groups/" + std::to_string(*device.group);
    files.add_link(path + "/devices/" + address, "../../../../" + device_path(device).substr(4));
    files.add_file(path + "/type", "DMA-FQ\n");
    files.add_file(path + "/reserved_regions", "0x00000000fee00000 0x00000000feefffff msi\n", 0444);
    files.add_directory("sys/class/iommu/dmar0");
  }
}

void FakeKernel::show_vfio_nodes(FakeFiles& files) const {
  for (const auto& driver : drivers_) {
    if (fake_is_vfio(driver.name)) files.add_node("dev/vfio/vfio", 0666, 10, 196);
  }
  for (const auto& [address, device] : devices_) {
    if (!bound_to_vfio(device)) continue;
    if (device.group)
      files.add_node("dev/vfio/" + std::to_string(*device.group), 0600, 240, *device.group, device.node_inode);
    if (device_cdev_ && device.vfio_number && !device.unbinding) {
      files.add_node("dev/vfio/devices/vfio" + std::to_string(*device.vfio_number), 0600, 241, *device.vfio_number,
                     device.node_inode);
    }
  }
}

void FakeKernel::show_processes(FakeFiles& files) const {
  for (const auto& [pid, process] : processes_) {
    const auto path = "proc/" + std::to_string(pid);
    files.add_file(path + "/comm", process.command + "\n");
    files.add_file(path + "/maps", process.maps);
    files.add_directory(path + "/fd");
    files.add_directory(path + "/fdinfo");
    for (const auto& [number, descriptor] : process.descriptors) {
      files.add_link(path + "/fd/" + std::to_string(number), descriptor.target);
      files.add_file(path + "/fdinfo/" + std::to_string(number), "pos:\t0\nflags:\t02\n" + descriptor.info);
    }
  }
}

}  // namespace devbindd::tests

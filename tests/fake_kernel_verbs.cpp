// SPDX-License-Identifier: Apache-2.0
// How tests set FakeKernel's machine up, and what they do to it. See fake_kernel.hpp.
#include <algorithm>
#include <cerrno>

#include "tests/fake_kernel.hpp"

namespace devbindd::tests {
namespace {

constexpr const char* device_inode = "anon_inode:[vfio-device]";

}  // namespace

FakeKernel::FakeKernel() {
  set_file("proc/net/route", "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n");
  set_file("proc/sys/kernel/random/boot_id", "11111111-2222-4333-8444-555555555555\n");
  set_file("proc/sys/kernel/osrelease", "6.1.0-fake\n");
}

void FakeKernel::add_device(FakeDevice device) {
  change([&] {
    if (device.driver && fake_is_vfio(*device.driver) && !device.vfio_number) device.vfio_number = free_vfio_number();
    device.inode = next_inode_++;
    announce("add", device);
    const auto address = device.address;
    devices_.insert_or_assign(address, std::move(device));
  });
}

void FakeKernel::add_driver(FakeDriver driver) {
  change([&] { drivers_.push_back(std::move(driver)); });
}

void FakeKernel::add_loadable(FakeDriver driver) {
  auto module = driver.module.empty() ? driver.name : driver.module;
  std::ranges::replace(module, '-', '_');
  loadable_.insert_or_assign(module, std::move(driver));
}

void FakeKernel::add_process(FakeProcess process) {
  const int pid = process.pid;
  change([&] { processes_.insert_or_assign(pid, std::move(process)); });
}

void FakeKernel::remove_process(int pid) {
  change([&] { processes_.erase(pid); });
}

void FakeKernel::set_file(const std::string& path, std::string content) {
  change([&] { extra_files_.insert_or_assign(path, std::move(content)); });
}

void FakeKernel::stack_interface(const std::string& lower, const std::string& upper) {
  change([&] { stacked_.emplace_back(lower, upper); });
}

void FakeKernel::remove_device(const std::string& address) {
  change([&] {
    const auto gone = devices_.extract(address);
    if (!gone.empty()) announce("remove", gone.mapped());
  });
}

void FakeKernel::open_device(const std::string& address, int pid, const std::string& command) {
  change([&] {
    auto& device = devices_.at(address);
    ++device.opens;
    auto& process = processes_[pid];
    process.pid = pid;
    process.command = command;
    const int number = static_cast<int>(process.descriptors.size()) + 3;
    if (device.group) process.descriptors[number] = {"/dev/vfio/" + std::to_string(*device.group), {}};
    process.descriptors[number + 1] = {device_inode, "vfio-device-syspath: /" + device_path(device) + "\n"};
  });
}

void FakeKernel::close_device(const std::string& address) {
  change([&] {
    auto& device = devices_.at(address);
    device.opens = 0;
    std::erase_if(processes_, [&](const auto& entry) {
      return std::ranges::any_of(entry.second.descriptors,
                                 [&](const auto& item) { return item.second.info.ends_with("/" + address + "\n"); });
    });
  });
}

sysfs::Result<> FakeKernel::load_module(const std::string& name) {
  ++write_count_;
  int error = 0;
  const auto found = loadable_.find(name);
  if (const auto failing = failing_writes_.find(write_count_); failing != failing_writes_.end()) {
    error = failing->second;
  } else if (found == loadable_.end()) {
    error = ENOENT;
  }
  writes_.push_back({"modprobe", name, error});
  if (error != 0) {
    return sysfs::fail(sysfs::ErrorCode::ModuleLoadFailed, "the module " + name + " did not load", error);
  }
  if (find_driver(found->second.name) == nullptr) add_driver(found->second);
  return {};
}

void FakeKernel::fail_nth_write(std::size_t n, int errno_value) { failing_writes_[write_count_ + n] = errno_value; }

void FakeKernel::before_nth_write(std::size_t n, std::function<void()> action) {
  actions_[write_count_ + n] = std::move(action);
}

void FakeKernel::refuse_probe(const std::string& driver, const std::string& address, int errno_value) {
  if (errno_value == 0) {
    refused_probes_.erase({driver, address});
  } else {
    refused_probes_[{driver, address}] = errno_value;
  }
}

void FakeKernel::probe_lies(const std::string& driver, const std::string& address) {
  lying_probes_.emplace(driver, address);
}

void FakeKernel::block(const std::string& path, const std::string& value) { blocked_.emplace(path, value); }

void FakeKernel::unblock(const std::string& path, const std::string& value) { blocked_.erase({path, value}); }

bool FakeKernel::would_block(std::string_view path, std::string_view value) const {
  const std::string where(path);
  if (blocked_.contains({where, {}}) || blocked_.contains({where, std::string(value)})) return true;
  return std::ranges::any_of(devices_, [&](const auto& entry) {
    const auto& [address, device] = entry;
    const bool held = device.driver && bound_to_vfio(device) && device.opens > 0;
    if (held && where == "sys/bus/pci/drivers/" + *device.driver + "/unbind" && value == address) return true;
    if (held && device.physfn && where == "sys/bus/pci/devices/" + *device.physfn + "/sriov_numvfs" && value == "0")
      return true;
    return override_takes_lock_ && device.unbinding && where == "sys/bus/pci/devices/" + address + "/driver_override";
  });
}

void FakeKernel::hang(std::string_view path, std::string_view value) {
  const auto found = devices_.find(std::string(value));
  if (found == devices_.end() || !found->second.driver) return;
  const auto file = "sys/bus/pci/drivers/" + *found->second.driver + "/unbind";
  if (path == file) change([&] { found->second.unbinding = true; });
}

const FakeDriver* FakeKernel::driver(const std::string& name) const {
  const auto found = std::ranges::find(drivers_, name, &FakeDriver::name);
  return found == drivers_.end() ? nullptr : &*found;
}

std::map<std::string, std::string> FakeKernel::bindings() const {
  std::map<std::string, std::string> states;
  for (const auto& [address, device] : devices_) {
    states[address] = device.driver.value_or("-") + " override " + device.driver_override.value_or("-") +
                      (device.drivers_autoprobe ? "" : " autoprobe off");
  }
  return states;
}

void FakeKernel::announce(const std::string& action, const FakeDevice& device) {
  sysfs::Uevent event{.action = action, .devpath = "/" + device_path(device).substr(4), .subsystem = "pci", .keys = {}};
  event.keys = {{"ACTION", action}, {"SUBSYSTEM", "pci"}, {"PCI_SLOT_NAME", device.address}};
  uevents_.events.push_back(std::move(event));
}

void add_usual_drivers(FakeKernel& kernel) {
  kernel.add_driver({.name = "e1000e", .ids = {{0x8086, 0x10d3}}});
  kernel.add_driver({.name = "igb", .ids = {{0x8086, 0x10c9}}});
  kernel.add_driver({.name = "igbvf", .ids = {{0x8086, 0x10ca}}});
  kernel.add_driver({.name = "nvme", .ids = {{0x8086, 0x0953}}});
  kernel.add_driver({.name = "pcieport", .ids = {{0x8086, 0x3420}}, .manages_dma = true});
  kernel.add_driver({.name = "vfio-pci", .override_only = true, .manages_dma = true});
}

}  // namespace devbindd::tests

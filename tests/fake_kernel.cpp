// SPDX-License-Identifier: Apache-2.0
// What a write does to FakeKernel's model. See fake_kernel.hpp.
#include "tests/fake_kernel.hpp"

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstdio>
#include <cstdlib>

namespace devbindd::tests {
namespace {

using sysfs::Result;

std::unexpected<sysfs::Error> kernel_error(std::string_view what, std::string_view path, int errno_value) {
  return sysfs::fail(sysfs::ErrorCode::Kernel,
                     std::string(what) + " /" + std::string(path) + ": " + sysfs::errno_text(errno_value) + " (" +
                         sysfs::errno_name(errno_value) + ")",
                     errno_value, "/" + std::string(path));
}

// sysfs compares the whole string and forgives one newline at its end.
std::string without_newline(std::string value) {
  if (value.ends_with('\n')) value.pop_back();
  return value;
}

// What new_id and remove_id are told. `data`: the seventh field, which is the driver's own.
struct ToldId {
  FakeId id;
  std::optional<unsigned long> data = {};
};

// "VVVV DDDD [SV SD [class mask [data]]]": at least two hexadecimal fields, as sscanf takes them.
std::optional<ToldId> id_from(const std::string& value) {
  ToldId told;
  auto& id = told.id;
  unsigned long data = 0;
  const int fields = std::sscanf(value.c_str(), "%x %x %x %x %x %x %lx", &id.vendor, &id.device, &id.subsystem_vendor,
                                 &id.subsystem_device, &id.class_code, &id.class_mask, &data);
  if (fields < 2) return std::nullopt;
  if (fields == 7) told.data = data;
  return told;
}

FakeId id_of(const FakeDevice& device) {
  return {device.vendor, device.device, device.subsystem_vendor, device.subsystem_device, device.class_code};
}

// A number as kstrtou16() takes it: decimal, 0x... or 0..., and a newline.
std::optional<unsigned> u16_from(const std::string& value) {
  const auto text = without_newline(value);
  if (text.empty() || !std::isdigit(static_cast<unsigned char>(text.front()))) return std::nullopt;
  char* end = nullptr;
  const auto number = std::strtoul(text.c_str(), &end, 0);
  if (*end != '\0' || number > 0xffff) return std::nullopt;
  return static_cast<unsigned>(number);
}

// As kstrtobool() of kernel 6.1 takes it: the first character counts, of "on" and "off" the second.
std::optional<bool> bool_from(const std::string& value) {
  const std::string_view text(value);
  if (text.starts_with('1') || text.starts_with('y') || text.starts_with('Y')) return true;
  if (text.starts_with('0') || text.starts_with('n') || text.starts_with('N')) return false;
  if (!text.starts_with('o') && !text.starts_with('O')) return std::nullopt;
  if (text.substr(1).starts_with('n') || text.substr(1).starts_with('N')) return true;
  if (text.substr(1).starts_with('f') || text.substr(1).starts_with('F')) return false;
  return std::nullopt;
}

bool is_bridge(const FakeDevice& device) { return device.class_code >> 8U == 0x0604; }

}  // namespace

bool fake_is_vfio(const std::string& driver) {
  return driver == "vfio-pci" || driver.ends_with("-vfio-pci") || driver.ends_with("_vfio_pci");
}

bool FakeKernel::bound_to_vfio(const FakeDevice& device) const { return device.driver && fake_is_vfio(*device.driver); }

FakeDriver* FakeKernel::find_driver(const std::string& name) {
  const auto found = std::ranges::find(drivers_, name, &FakeDriver::name);
  return found == drivers_.end() ? nullptr : &*found;
}

bool FakeId::matches(const FakeId& other) const {
  const auto fits = [](std::uint32_t wanted, std::uint32_t given) { return wanted == any || wanted == given; };
  return fits(vendor, other.vendor) && fits(device, other.device) && fits(subsystem_vendor, other.subsystem_vendor) &&
         fits(subsystem_device, other.subsystem_device) && ((class_code ^ other.class_code) & class_mask) == 0;
}

bool FakeKernel::has_id(const FakeDriver& driver, const FakeId& id) const {
  if (std::ranges::any_of(driver.dynamic_ids, [&](const FakeId& known) { return known.matches(id); })) return true;
  return !driver.override_only && std::ranges::any_of(driver.ids, [&](const auto& known) {
    return FakeId{.vendor = known.first, .device = known.second}.matches(id);
  });
}

bool FakeKernel::matches(const FakeDriver& driver, const FakeDevice& device) const {
  if (device.driver_override) return *device.driver_override == driver.name;
  return has_id(driver, id_of(device));
}

bool FakeKernel::autoprobe_off(const FakeDevice& device) const {
  if (!device.physfn || device.driver_override) return false;
  const auto parent = devices_.find(*device.physfn);
  return parent != devices_.end() && !parent->second.drivers_autoprobe;
}

bool FakeKernel::group_in_use(const FakeDevice& device) const {
  return device.group && std::ranges::any_of(devices_, [&](const auto& entry) {
           return entry.second.group == device.group && entry.second.opens > 0;
         });
}

std::size_t FakeKernel::vfs_of(const std::string& address) const {
  return static_cast<std::size_t>(
      std::ranges::count_if(devices_, [&](const auto& entry) { return entry.second.physfn == address; }));
}

unsigned FakeKernel::free_vfio_number() const {
  for (unsigned number = 0;; ++number) {
    const auto taken = [number](const auto& entry) { return entry.second.vfio_number == number; };
    if (std::ranges::none_of(devices_, taken)) return number;
  }
}

int FakeKernel::probe(const FakeDriver& driver, FakeDevice& device) {
  const bool vfio = fake_is_vfio(driver.name);
  if (!vfio && !driver.manages_dma && group_in_use(device)) return EBUSY;
  if (const auto refused = refused_probes_.find({driver.name, device.address}); refused != refused_probes_.end())
    return refused->second;
  if (vfio && is_bridge(device)) return EINVAL;
  if (vfio && !device.group && !noiommu_mode_) return EINVAL;
  if (vfio && vfs_of(device.address) > 0) return EBUSY;
  if (lying_probes_.contains({driver.name, device.address})) return 0;
  device.driver = driver.name;
  if (vfio) {
    device.vfio_number = free_vfio_number();
    device.node_inode = next_inode_++;
  }
  announce("bind", device);
  return 0;
}

int FakeKernel::bind(const FakeDriver& driver, const std::string& address) {
  const auto found = devices_.find(address);
  if (found == devices_.end()) return ENODEV;
  auto& device = found->second;
  if (device.unbinding || !matches(driver, device)) return ENODEV;
  if (device.driver) return EBUSY;
  if (autoprobe_off(device)) return ENODEV;
  return probe(driver, device);
}

int FakeKernel::unbind(const FakeDriver& driver, const std::string& address) {
  const auto found = devices_.find(address);
  if (found == devices_.end() || found->second.driver != driver.name) return ENODEV;
  auto& device = found->second;
  device.driver.reset();
  device.unbinding = false;
  device.vfio_number.reset();
  announce("unbind", device);
  destroy_functions(address);
  return 0;
}

void FakeKernel::destroy_functions(const std::string& physical) {
  std::vector<std::string> functions;
  for (const auto& [name, other] : devices_) {
    if (other.physfn == physical) functions.push_back(name);
  }
  for (const auto& name : functions) remove_device(name);
}

unsigned FakeKernel::free_group() const {
  for (unsigned number = 200;; ++number) {
    const auto taken = [number](const auto& entry) { return entry.second.group == number; };
    if (std::ranges::none_of(devices_, taken)) return number;
  }
}

void FakeKernel::create_function(const FakeDevice& physical, unsigned index) {
  const auto own = sysfs::parse_pci_address(physical.address).value();
  const unsigned id = own.bus * 256U + own.slot * 8U + own.function + physical.vf_offset + physical.vf_stride * index;
  auto address = own;
  address.bus = static_cast<std::uint8_t>(id >> 8U);
  address.slot = static_cast<std::uint8_t>((id >> 3U) & 31U);
  address.function = static_cast<std::uint8_t>(id & 7U);
  FakeDevice function{.address = sysfs::to_string(address),
                      .vendor = physical.vendor,
                      .device = physical.vf_device,
                      .class_code = physical.class_code,
                      .parent = physical.parent,
                      .physfn = physical.address};
  if (physical.group) function.group = free_group();
  if (bound_to_vfio(physical)) function.driver_override = physical.driver;
  const auto name = function.address;
  add_device(std::move(function));
  (void)probe_any(name);  // what comes of it is no matter of who creates it
}

int FakeKernel::set_autoprobe(const std::string& address, const std::string& value) {
  const auto on = bool_from(value);
  if (!on) return EINVAL;
  devices_.at(address).drivers_autoprobe = *on;
  return 0;
}

int FakeKernel::set_numvfs(const std::string& address, const std::string& value) {
  const auto asked = u16_from(value);
  if (!asked) return EINVAL;
  const auto count = *asked;
  const auto physical = devices_.at(address);
  const auto current = vfs_of(address);
  if (count > physical.totalvfs) return ERANGE;
  if (count == current) return 0;
  const bool willing = physical.driver && (!bound_to_vfio(physical) || vfio_sriov_);
  if (!willing) return ENOENT;
  if (count == 0) {
    destroy_functions(address);
    return 0;
  }
  if (current > 0) return EBUSY;
  for (unsigned index = 0; index < count; ++index) create_function(physical, index);
  announce("change", physical);
  return 0;
}

std::vector<std::string> FakeKernel::functions_behind(const std::string& interface) const {
  std::vector<std::string> functions;
  for (const auto& [address, device] : devices_) {
    const auto physical = device.physfn ? devices_.find(*device.physfn) : devices_.end();
    const bool known = physical != devices_.end() && !physical->second.interfaces.empty();
    if (known && physical->second.interfaces.front() == interface) functions.push_back(address);
  }
  return functions;
}

std::map<unsigned, sysfs::VfSettings> FakeKernel::vf_settings(const std::string& interface) const {
  std::map<unsigned, sysfs::VfSettings> settings;
  for (const auto& address : functions_behind(interface))
    settings.emplace(settings.size(), sysfs::vf_settings_from(devices_.at(address).vf_settings).value());
  return settings;
}

int FakeKernel::set_vf_settings(const std::string& interface, unsigned index, const sysfs::VfSettings& settings) {
  const auto functions = functions_behind(interface);
  const auto text = sysfs::to_text(settings);
  ++write_count_;
  if (auto action = actions_.extract(write_count_)) action.mapped()();
  const auto failing = failing_writes_.find(write_count_);
  const int error = failing != failing_writes_.end() ? failing->second
                    : index < functions.size()       ? settings_errno_
                                                     : EINVAL;
  writes_.push_back({"rtnetlink/" + interface + "/vf" + std::to_string(index), text, error});
  if (error == 0) change([&] { devices_.at(functions[index]).vf_settings = text; });
  return error;
}

int FakeKernel::add_id(FakeDriver& driver, const std::string& value) {
  const auto told = id_from(value);
  if (!told) return EINVAL;
  if (!told->data && has_id(driver, told->id)) return EEXIST;
  if (told->data.value_or(0) != 0) return EINVAL;  // no ID of these drivers has any
  driver.dynamic_ids.push_back(told->id);
  for (auto& [address, device] : devices_) {
    if (device.driver || !matches(driver, device) || autoprobe_off(device)) continue;
    (void)probe(driver, device);  // new_id tells nothing about failed probes
  }
  return 0;
}

int FakeKernel::remove_id(FakeDriver& driver, const std::string& value) {
  const auto told = id_from(value);
  if (!told) return EINVAL;
  const auto found = std::ranges::find_if(driver.dynamic_ids, [&](const FakeId& known) {
    return told->id.vendor == known.vendor && told->id.device == known.device && told->id.matches(known);
  });
  if (found == driver.dynamic_ids.end()) return ENODEV;
  driver.dynamic_ids.erase(found);
  return 0;
}

int FakeKernel::probe_any(const std::string& address) {
  const auto found = devices_.find(address);
  if (found == devices_.end()) return ENODEV;
  auto& device = found->second;
  if (device.driver) return 0;
  for (const auto& driver : drivers_) {
    if (!matches(driver, device) || autoprobe_off(device)) continue;
    if (!fake_is_vfio(driver.name) && !driver.manages_dma && group_in_use(device)) return EINVAL;  // before its probe
    if (probe(driver, device) == 0) return 0;
  }
  return 0;
}

int FakeKernel::set_override(const std::string& address, const std::string& value) {
  const auto found = devices_.find(address);
  if (found == devices_.end()) return ENODEV;
  if (value.size() >= 4095) return EINVAL;
  const auto name = value.substr(0, value.find('\n'));
  found->second.driver_override = name.empty() ? std::nullopt : std::optional(name);
  return 0;
}

int FakeKernel::write_to_driver(FakeDriver& driver, const std::string& file, const std::string& value) {
  if (file == "bind") return bind(driver, without_newline(value));
  if (file == "unbind") return unbind(driver, without_newline(value));
  if (file == "new_id") return add_id(driver, value);
  if (file == "remove_id") return remove_id(driver, value);
  return EACCES;
}

int FakeKernel::perform_write(const std::string& path, const std::string& value) {
  const auto slash = path.rfind('/');
  const auto directory = path.substr(0, slash);
  const auto file = path.substr(slash + 1);
  const auto owner = directory.substr(directory.rfind('/') + 1);
  if (path == "sys/bus/pci/drivers_probe") return probe_any(without_newline(value));
  if (path.starts_with("sys/bus/pci/drivers/")) return write_to_driver(*find_driver(owner), file, value);
  if (file == "driver_override") return set_override(owner, value);
  if (file == "sriov_drivers_autoprobe") return set_autoprobe(owner, value);
  if (file == "sriov_numvfs") return set_numvfs(owner, value);
  if (file == "reset") return without_newline(value) == "1" ? devices_.at(owner).reset_errno.value_or(EACCES) : EINVAL;
  return EACCES;
}

int FakeKernel::take_write(std::string_view path, const std::string& value) {
  ++write_count_;
  if (auto action = actions_.extract(write_count_)) action.mapped()();
  if (const auto failing = failing_writes_.find(write_count_); failing != failing_writes_.end()) return failing->second;
  const auto at = files().resolve(path);
  if (!at) return at.error();
  if (value.empty()) return 0;  // sysfs swallows it
  return perform_write(*at, value);
}

Result<> FakeKernel::write(std::string_view path, std::string_view value) {
  const std::string text(value);
  const int error = take_write(path, text);
  files_.reset();
  writes_.push_back({std::string(path), text, error});
  if (error != 0) return kernel_error("cannot write to", path, error);
  return {};
}

Result<std::string> FakeKernel::read(std::string_view path, std::size_t limit) const {
  auto content = read_bytes(path, limit);
  if (!content) return content;
  return without_newline(std::move(*content));
}

Result<std::string> FakeKernel::read_bytes(std::string_view path, std::size_t limit) const {
  auto content = files().content(path);
  if (!content) return kernel_error("cannot read", path, content.error());
  content->resize(std::min(content->size(), limit));
  return std::move(*content);
}

Result<std::optional<std::string>> FakeKernel::link(std::string_view path) const {
  auto target = files().link_target(path);
  if (target) return std::optional(*target);
  const int error = target.error();
  if (error == ENOENT || error == EINVAL || error == ENOTDIR) return std::nullopt;
  return kernel_error("cannot read the link", path, error);
}

Result<std::vector<std::string>> FakeKernel::list(std::string_view path) const {
  auto names = files().names_in(path);
  if (!names) return kernel_error("cannot list", path, names.error());
  return *names;
}

Result<std::optional<sysfs::NodeStatus>> FakeKernel::status(std::string_view path) const {
  const auto found = files().status(path);
  if (found) return std::optional(*found);
  if (found.error() == ENOENT || found.error() == ENOTDIR) return std::nullopt;
  return kernel_error("cannot look at", path, found.error());
}

}  // namespace devbindd::tests

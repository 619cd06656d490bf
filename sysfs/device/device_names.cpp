// SPDX-License-Identifier: Apache-2.0
#include "sysfs/device/device_names.hpp"

#include <systemd/sd-hwdb.h>

#include <array>
#include <charconv>
#include <cstdio>
#include <utility>

namespace devbindd::sysfs {
namespace {

constexpr std::size_t pci_ids_limit = std::size_t{8} << 20;  // the file of 2025 has 1.5 MiB

/// Where a line of pci.ids stands: its nested lines belong to the vendor or class before them.
struct Position {
  enum class Block { Skipped, Vendor, Class } block = Block::Skipped;
  unsigned id = 0;
  std::optional<unsigned> device;  ///< the device that lines with two tabs belong to
};

struct Entry {
  unsigned id = 0;
  std::string_view name;
};

bool is_blank(char c) { return c == ' ' || c == '\t'; }

std::optional<Entry> parse_entry(std::string_view line, std::size_t digits) {
  if (line.size() <= digits || !is_blank(line[digits])) return std::nullopt;
  Entry entry;
  const char* const end = line.data() + digits;
  if (const auto [last, error] = std::from_chars(line.data(), end, entry.id, 16); error != std::errc{} || last != end) {
    return std::nullopt;
  }
  line.remove_prefix(digits);
  const auto start = line.find_first_not_of(" \t");
  if (start == std::string_view::npos) return std::nullopt;
  entry.name = line.substr(start);
  return entry;
}

// The blocks of other letters ("S 1af4": generic subsystems) have entries that look like devices.
bool is_lettered_block(std::string_view line) {
  return line.size() >= 2 && line[0] >= 'A' && line[0] <= 'Z' && line[1] == ' ';
}

Position add_top_level(PciIds& ids, std::string_view line) {
  if (line.starts_with("C ")) {
    const auto entry = parse_entry(line.substr(2), 2);
    if (!entry) return {};
    ids.classes.add(static_cast<std::uint8_t>(entry->id), entry->name);
    return {Position::Block::Class, entry->id, {}};
  }
  if (is_lettered_block(line)) return {};
  const auto entry = parse_entry(line, 4);
  if (!entry) return {};
  ids.vendors.add(static_cast<std::uint16_t>(entry->id), entry->name);
  return {Position::Block::Vendor, entry->id, {}};
}

std::uint64_t subsystem_key(unsigned vendor, unsigned device, unsigned subvendor, unsigned subdevice) {
  return std::uint64_t{vendor} << 48U | std::uint64_t{device} << 32U | std::uint64_t{subvendor} << 16U | subdevice;
}

void add_nested(PciIds& ids, Position& position, std::string_view line) {
  position.device.reset();
  if (position.block == Position::Block::Vendor) {
    const auto entry = parse_entry(line, 4);
    if (!entry) return;
    ids.devices.add(position.id << 16 | entry->id, entry->name);
    position.device = entry->id;
  }
  if (position.block == Position::Block::Class) {
    const auto entry = parse_entry(line, 2);
    if (entry) ids.subclasses.add(static_cast<std::uint16_t>(position.id << 8 | entry->id), entry->name);
  }
}

// "SUBVENDOR SUBDEVICE  NAME"
void add_subsystem(PciIds& ids, const Position& position, std::string_view line) {
  if (position.block != Position::Block::Vendor || !position.device) return;
  const auto vendor = parse_entry(line, 4);
  if (!vendor) return;
  const auto device = parse_entry(vendor->name, 4);
  if (!device) return;
  ids.subsystems.add(subsystem_key(position.id, *position.device, vendor->id, device->id), device->name);
}

void add_line(PciIds& ids, Position& position, std::string_view line) {
  if (!line.empty() && is_blank(line.back())) line.remove_suffix(1);
  const auto content = line.find_first_not_of(" \t");
  if (content == std::string_view::npos || line[content] == '#') return;
  const auto depth = line.find_first_not_of('\t');
  if (depth == 0) position = add_top_level(ids, line);
  if (depth == 1) add_nested(ids, position, line.substr(1));
  if (depth == 2) add_subsystem(ids, position, line.substr(2));
}

constexpr std::size_t most_asked = 4096;

// The modaliases are libpci's (lib/names-hwdb.c), stars included: they are no patterns but stand for the rest.
template <class... Numbers>
std::string modalias_of(const char* format, Numbers... numbers) {
  std::array<char, 64> modalias{};
  std::snprintf(modalias.data(), modalias.size(), format, numbers...);
  return modalias.data();
}

PciIds read_pci_ids(const Tree& tree) {
  for (const auto* path : {"usr/share/misc/pci.ids", "usr/share/hwdata/pci.ids"}) {
    if (auto text = tree.read(path, pci_ids_limit)) return parse_pci_ids(std::move(*text));
  }
  return {};
}

}  // namespace

PciIds parse_pci_ids(std::string text) {
  PciIds ids;
  ids.text = std::make_unique<const std::string>(std::move(text));
  Position position;
  for (std::string_view rest = *ids.text; !rest.empty();) {
    const auto end = std::min(rest.find('\n'), rest.size());
    add_line(ids, position, rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  ids.vendors.sort();
  ids.devices.sort();
  ids.subsystems.sort();
  ids.classes.sort();
  ids.subclasses.sort();
  return ids;
}

DeviceNames DeviceNames::open(const Tree& tree, bool use_hwdb) {
  DeviceNames names;
  names.ids_ = read_pci_ids(tree);
  sd_hwdb* hwdb = nullptr;
  if (use_hwdb && ::sd_hwdb_new(&hwdb) >= 0) names.hwdb_.reset(hwdb);
  return names;
}

DeviceNames::DeviceNames(DeviceNames&&) noexcept = default;
DeviceNames& DeviceNames::operator=(DeviceNames&&) noexcept = default;
DeviceNames::~DeviceNames() = default;

void DeviceNames::CloseHwdb::operator()(sd_hwdb* hwdb) const { ::sd_hwdb_unref(hwdb); }

std::optional<std::string> DeviceNames::from_hwdb(const std::string& modalias, const char* property) const {
  if (hwdb_ == nullptr) return std::nullopt;
  const auto known = asked_.find(modalias);
  if (known != asked_.end()) return known->second;
  if (asked_.size() >= most_asked) asked_.clear();
  const char* value = nullptr;
  const bool found = ::sd_hwdb_get(hwdb_.get(), modalias.c_str(), property, &value) >= 0 && *value != '\0';
  return asked_[modalias] = found ? std::optional<std::string>(value) : std::nullopt;
}

std::optional<std::string> DeviceNames::vendor(std::uint16_t vendor) const {
  if (auto name = ids_.vendors.find(vendor)) return name;
  return from_hwdb(modalias_of("pci:v%08X*", unsigned{vendor}), "ID_VENDOR_FROM_DATABASE");
}

std::optional<std::string> DeviceNames::device(std::uint16_t vendor, std::uint16_t device) const {
  const auto key = static_cast<std::uint32_t>(vendor) << 16 | device;
  if (auto name = ids_.devices.find(key)) return name;
  return from_hwdb(modalias_of("pci:v%08Xd%08X*", unsigned{vendor}, unsigned{device}), "ID_MODEL_FROM_DATABASE");
}

std::optional<std::string> DeviceNames::subsystem(std::uint16_t vendor, std::uint16_t device,
                                                  std::uint16_t subsystem_vendor,
                                                  std::uint16_t subsystem_device) const {
  return ids_.subsystems.find(subsystem_key(vendor, device, subsystem_vendor, subsystem_device));
}

std::optional<std::string> DeviceNames::class_name(std::uint32_t class_code) const {
  const auto base = static_cast<std::uint8_t>(class_code >> 16);
  const auto sub = static_cast<std::uint8_t>(class_code >> 8);
  if (auto name = ids_.subclasses.find(static_cast<std::uint16_t>(base << 8 | sub))) return name;
  if (auto name = from_hwdb(modalias_of("pci:v*d*sv*sd*bc%02Xsc%02X*", unsigned{base}, unsigned{sub}),
                            "ID_PCI_SUBCLASS_FROM_DATABASE"))
    return name;
  if (auto name = ids_.classes.find(base)) return name;
  return from_hwdb(modalias_of("pci:v*d*sv*sd*bc%02X*", unsigned{base}), "ID_PCI_CLASS_FROM_DATABASE");
}

}  // namespace devbindd::sysfs

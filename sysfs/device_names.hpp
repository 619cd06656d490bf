// Names of PCI vendors, devices and classes: pci.ids where it is installed, else systemd's hardware database.
// That is the order in which lspci looks, so both print the same names. Names are for people; nothing is decided by
// them.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "sysfs/tree.hpp"

struct sd_hwdb;

namespace devbindd::sysfs {

/// The vendor, device and class names of one pci.ids file. Passive.
struct PciIds {
  std::map<std::uint16_t, std::string> vendors;
  std::map<std::uint32_t, std::string> devices;     ///< key: vendor << 16 | device
  std::map<std::uint64_t, std::string> subsystems;  ///< key: vendor << 48 | device << 32 | subvendor << 16 | subdevice
  std::map<std::uint8_t, std::string> classes;
  std::map<std::uint16_t, std::string> subclasses;  ///< key: base class << 8 | subclass
};

/// Parses the text of a pci.ids file. Lines it does not understand are left out, with what is nested below them: names
/// are never worth an error. Of two entries with one ID the first stays. Format: the comment at the file's top.
PciIds parse_pci_ids(std::string_view text);

/// For one thread: a look-up moves the cursor of the hardware database.
class DeviceNames {
 public:
  /// Reads usr/share/misc/pci.ids (or usr/share/hwdata/pci.ids) through `tree` when it is there, and opens the
  /// hardware database of systemd when `use_hwdb`: it is asked, name by name, for what the file lacks.
  /// Neither has to exist.
  static DeviceNames open(const Tree& tree, bool use_hwdb = true);
  DeviceNames(DeviceNames&&) noexcept;
  DeviceNames& operator=(DeviceNames&&) noexcept;
  ~DeviceNames();

  std::optional<std::string> vendor(std::uint16_t vendor) const;
  std::optional<std::string> device(std::uint16_t vendor, std::uint16_t device) const;
  /// The board's name ("Ethernet Converged Network Adapter X520-2") by all four IDs. Only from pci.ids.
  std::optional<std::string> subsystem(std::uint16_t vendor, std::uint16_t device, std::uint16_t subsystem_vendor,
                                       std::uint16_t subsystem_device) const;
  /// The subclass's name ("Ethernet controller") for a 24 bit class code, else the base class's.
  std::optional<std::string> class_name(std::uint32_t class_code) const;

 private:
  struct CloseHwdb {
    void operator()(sd_hwdb* hwdb) const;
  };
  DeviceNames() = default;
  PciIds ids_;
  std::unique_ptr<sd_hwdb, CloseHwdb> hwdb_;
};

}  // namespace devbindd::sysfs

// SPDX-License-Identifier: Apache-2.0
// Names of PCI vendors, devices and classes: pci.ids where it is installed, else systemd's hardware database.
// That is the order in which lspci looks, so both print the same names. Names are for people; nothing is decided by
// them.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "sysfs/kernel/tree.hpp"

struct sd_hwdb;

namespace devbindd::sysfs {

/// Names by their IDs, in the text that they were found in: some 36,000, of which a host needs a few dozen.
template <class Id>
class NameTable {
 public:
  struct Entry {
    Id id;
    std::string_view name;
  };

  /// Of two with one ID the first stays.
  void add(Id id, std::string_view name) {
    sorted_ = sorted_ && (entries_.empty() || entries_.back().id < id);
    entries_.push_back({id, name});
  }
  /// To be called after the last add(): pci.ids is sorted nearly everywhere, which is not its promise.
  void sort() {
    if (sorted_) return;
    std::ranges::stable_sort(entries_, {}, &Entry::id);
    const auto same = [](const Entry& left, const Entry& right) { return left.id == right.id; };
    entries_.erase(std::unique(entries_.begin(), entries_.end(), same), entries_.end());
    sorted_ = true;
  }
  std::optional<std::string> find(std::type_identity_t<Id> id) const {
    const auto found = std::ranges::lower_bound(entries_, id, {}, &Entry::id);
    if (found == entries_.end() || found->id != id) return std::nullopt;
    return std::string(found->name);
  }
  /// By ascending ID, each once.
  const std::vector<Entry>& entries() const { return entries_; }

 private:
  std::vector<Entry> entries_;
  bool sorted_ = true;
};

/// The vendor, device and class names of one pci.ids file.
struct PciIds {
  std::unique_ptr<const std::string> text;  ///< where the names are
  NameTable<std::uint16_t> vendors;
  NameTable<std::uint32_t> devices;     ///< ID: vendor << 16 | device
  NameTable<std::uint64_t> subsystems;  ///< ID: vendor << 48 | device << 32 | subvendor << 16 | subdevice
  NameTable<std::uint8_t> classes;
  NameTable<std::uint16_t> subclasses;  ///< ID: base class << 8 | subclass
};

/// Parses the text of a pci.ids file. Lines it does not understand are left out, with what is nested below them: names
/// are never worth an error. Of two entries with one ID the first stays. Format: the comment at the file's top.
PciIds parse_pci_ids(std::string text);

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
  std::optional<std::string> from_hwdb(const std::string& modalias, const char* property) const;

  PciIds ids_;
  /// What the hardware database has said: a look-up costs as much as all the rest of a device's item.
  mutable std::map<std::string, std::optional<std::string>> asked_;
  std::unique_ptr<sd_hwdb, CloseHwdb> hwdb_;
};

}  // namespace devbindd::sysfs

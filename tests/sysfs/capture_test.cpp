// SPDX-License-Identifier: Apache-2.0
// What the readers say about a captured host, beside what lspci said on it.
#include <iomanip>
#include <map>
#include <optional>
#include <regex>
#include <set>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "sysfs/device/device.hpp"
#include "sysfs/device/inventory.hpp"
#include "sysfs/device/pci_driver.hpp"
#include "sysfs/device/sriov.hpp"
#include "sysfs/iommu/iommu_group.hpp"
#include "sysfs/iommu/iommu_state.hpp"
#include "sysfs/iommu/iommu_unit.hpp"
#include "sysfs/kernel/fields.hpp"
#include "tests/capture_tree.hpp"
#include "tests/catch2.hpp"

namespace devbindd::capture_test {

namespace {

using namespace devbindd::sysfs;
using devbindd::tests::captured;
using devbindd::tests::read_capture;

/// A function as lspci prints it. Subsystem and revision 0 are not printed.
struct Printed {
  std::string ids;  ///< "8086:10d3"
  std::string class_text;
  std::string subsystem = "0000:0000";
  std::string revision = "00";
  std::optional<unsigned> group = {};
  std::optional<std::string> driver = {};

  std::string text() const {
    return ids + " class " + class_text + " subsystem " + subsystem + " rev " + revision + " group " +
           (group ? std::to_string(*group) : "none") + " driver " + driver.value_or("none");
  }
};

std::string hex_digits(unsigned value, int digits) {
  std::ostringstream text;
  text << std::hex << std::setfill('0') << std::setw(digits) << value;
  return text.str();
}

std::string pair_of(unsigned vendor, unsigned device) { return hex_digits(vendor, 4) + ":" + hex_digits(device, 4); }

Printed as_printed(const Device& device) {
  return {.ids = pair_of(device.vendor, device.device),
          .class_text = class_text(device),
          .subsystem = pair_of(device.subsystem_vendor, device.subsystem_device),
          .revision = hex_digits(device.revision, 2),
          .group = device.iommu_group,
          .driver = device.driver ? std::optional(device.driver->text()) : std::nullopt};
}

std::string first_of(const std::smatch& match) { return match[1].str(); }

// Of `lspci -D -nnk -v`, by address.
std::map<std::string, Printed> printed_by_lspci(const std::string& output) {
  static const std::regex head(R"(^(\S+) .*?\[([0-9a-f]{4})\]: .*\[([0-9a-f]{4}:[0-9a-f]{4})\](.*)$)");
  static const std::regex revision(R"(\(rev ([0-9a-f]{2})\))");
  static const std::regex interface(R"(\(prog-if ([0-9a-f]{2}))");
  static const std::regex subsystem(R"(^\tSubsystem: .*\[([0-9a-f]{4}:[0-9a-f]{4})\]$)");
  static const std::regex group(R"(IOMMU group ([0-9]+))");
  static const std::regex driver(R"(^\tKernel driver in use: (.*)$)");
  std::map<std::string, Printed> devices;
  Printed* last = nullptr;
  std::istringstream lines(output);
  std::smatch match;
  for (std::string line; std::getline(lines, line);) {
    if (std::regex_match(line, match, head)) {
      const auto rest = match[4].str();
      last = &devices[match[1].str()];
      last->ids = match[3].str();
      const auto code = match[2].str();
      last->class_text = code + (std::regex_search(rest, match, interface) ? first_of(match) : "00");
      if (std::regex_search(rest, match, revision)) last->revision = first_of(match);
    } else if (last != nullptr) {
      if (std::regex_match(line, match, subsystem)) last->subsystem = first_of(match);
      if (std::regex_search(line, match, group)) last->group = number_from<unsigned>(first_of(match));
      if (std::regex_match(line, match, driver)) last->driver = first_of(match);
    }
  }
  return devices;
}

struct Host {
  Host() : capture(captured("qemu_q35")), printed(printed_by_lspci(capture.commands.at("lspci -D -nnk -v"))) {
    REQUIRE(inventory.refresh());
  }
  const Device& at(const char* address) const { return *inventory.find(parse_pci_address(address).value()); }

  tests::Capture capture;
  std::map<std::string, Printed> printed;
  Inventory inventory{capture.tree};
};

template <class Key>
using Members = std::map<Key, std::set<std::string>>;

}  // namespace

TEST_CASE("Every device of a captured host is read as lspci prints it", "[capture]") {
  const Host host;
  std::map<std::string, std::string> read;
  for (const auto& [address, device] : host.inventory.devices())
    read.emplace(to_string(address), as_printed(device).text());
  std::map<std::string, std::string> expected;
  for (const auto& [address, device] : host.printed) expected.emplace(address, device.text());
  CHECK(expected.size() == 36);
  CHECK(read == expected);
}

TEST_CASE("Groups and drivers of a captured host have the members that lspci gives them", "[capture]") {
  const Host host;
  const auto& tree = host.capture.tree;
  Members<unsigned> groups;
  Members<std::string> drivers;
  for (const auto& [address, device] : host.printed) {
    if (device.group) groups[*device.group].insert(address);
    if (device.driver) drivers[*device.driver].insert(address);
  }
  Members<unsigned> read_groups;
  const auto numbers = list_iommu_groups(tree).value();
  for (const auto number : numbers) {
    const auto group = read_iommu_group(tree, number).value();
    for (const auto& member : group.members) read_groups[number].insert(to_string(member));
  }
  CHECK(read_groups == groups);
  Members<std::string> read_drivers;
  const auto names = list_drivers(tree).value();
  for (const auto& name : names) {
    const auto driver = read_driver(tree, name).value();
    for (const auto& device : driver.devices) read_drivers[name.text()].insert(to_string(device));
  }
  CHECK(read_drivers == drivers);
  CHECK(groups.at(29).size() == 3);
  CHECK(drivers.at("vfio-pci").size() == 3);
}

TEST_CASE("What lspci does not print of a captured host is read as it was set up", "[capture]") {
  const Host host;
  const auto& physical = host.at("0000:05:00.0");
  CHECK(physical.sriov_totalvfs == 8U);
  CHECK(physical.virtfns.size() == 2);
  CHECK(physical.sysfs_path == "/sys/devices/pci0000:00/0000:00:14.0/0000:05:00.0");
  const auto& function = host.at("0000:05:00.1");
  CHECK(function.physfn == physical.address);
  CHECK(function.vfio_device.has_value());
  CHECK(host.capture.tree.read("sys/bus/pci/devices/0000:05:00.1/driver_override") == "vfio-pci");
  CHECK(is_vfio_bound(host.at("0000:03:00.0")));
  CHECK_FALSE(host.at("0000:05:00.2").driver);
  CHECK(host.at("0000:02:00.0").interfaces.size() == 1);
  CHECK(host.at("0000:01:00.0").interfaces.size() == 1);  // below virtio
  const auto state = read_iommu_state(host.capture.tree);
  CHECK(state.translates);
  CHECK(state.interrupt_remapping == Answer::Yes);
  CHECK(state.firmware_tables == std::vector<std::string>{"DMAR"});
  const auto units = list_iommu_units(host.capture.tree).value();
  REQUIRE(units.size() == 1);
  CHECK(units.front().name == "dmar0");
  CHECK(units.front().kind == IommuKind::Intel);
}

TEST_CASE("A capture keeps what the lines of a file were, and a broken one is refused", "[capture]") {
  const auto capture = read_capture(
      "# a remark\nfile sys/a b/c 0644\n|one\n|\n\\two\nunread sys/d 0644\nlink sys/e -> a b\ndir sys/f\ncommand x "
      "-y\n|z\n");
  CHECK(capture.tree.read_bytes("sys/e/c", 4096) == "one\n\ntwo");
  CHECK(capture.tree.read("sys/d").error().errno_value == EACCES);
  CHECK(capture.tree.list("sys/f").value().empty());
  CHECK(capture.commands.at("x -y") == "z\n");
  for (const auto* broken : {"|of nothing\n", "file sys/a\n", "link sys/a\n", "other sys/a 0644\n", "word\n"}) {
    INFO(broken);
    CHECK_THROWS_AS(read_capture(broken), std::invalid_argument);
  }
}

}  // namespace devbindd::capture_test

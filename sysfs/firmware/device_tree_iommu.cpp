// SPDX-License-Identifier: Apache-2.0
#include "sysfs/firmware/device_tree_iommu.hpp"

#include <algorithm>
#include <map>

namespace devbindd::sysfs {
namespace {

constexpr std::size_t most_nodes = 20000;
constexpr std::size_t most_levels = 32;
constexpr std::size_t most_property_bytes = 1U << 16U;

using Cells = std::vector<std::uint32_t>;

// Big-endian numbers of four bytes.
Cells cells_in(std::string_view bytes) {
  Cells cells;
  for (std::size_t at = 0; at + 4 <= bytes.size(); at += 4) {
    std::uint32_t value = 0;
    for (std::size_t byte = 0; byte < 4; ++byte) value = (value << 8U) | static_cast<unsigned char>(bytes[at + byte]);
    cells.push_back(value);
  }
  return cells;
}

struct Widths {
  std::uint32_t address = 2;
  std::uint32_t size = 1;
};

class Walk {
 public:
  Walk(const Tree& tree, std::string root, DeviceTree& found) : tree_(tree), root_(std::move(root)), found_(found) {}

  void run() {
    visit("", {}, true, 0);
    for (const auto& [path, cells] : users_) add_users(path, cells);
    for (const auto& map : found_.maps) check_unit(map.path, map.phandle);
    if (nodes_ > most_nodes) report("", "There are more nodes than are looked at.");
  }

 private:
  void visit(const std::string& path, Widths widths, bool plain_addresses, std::size_t level) {
    if (++nodes_ > most_nodes || level > most_levels) return;
    const auto names = tree_.list(root_ + path).value_or(std::vector<std::string>{});
    const auto has = [&names](std::string_view name) { return std::ranges::binary_search(names, name); };
    if (has("#iommu-cells")) add_unit(path, widths, plain_addresses);
    if (has("iommus")) users_.emplace_back(path, cells(path, "iommus").value_or(Cells{}));
    if (has("iommu-map")) add_maps(path, has("iommu-map-mask"));
    const Widths inner{number(path, "#address-cells").value_or(2), number(path, "#size-cells").value_or(1)};
    // What is below a bus has the addresses of memory only where `ranges` is there and empty.
    const bool same =
        path.empty() || (plain_addresses && has("ranges") && property(path, "ranges").value_or("x").empty());
    for (const auto& name : names) {
      const auto status = tree_.status(root_ + path + "/" + name);
      if (status && *status && (*status)->directory) visit(path + "/" + name, inner, same, level + 1);
    }
  }

  std::optional<std::string> property(const std::string& path, const std::string& name) const {
    auto bytes = tree_.read_bytes(root_ + path + "/" + name, most_property_bytes);
    return bytes ? std::optional(std::move(*bytes)) : std::nullopt;
  }

  std::optional<Cells> cells(const std::string& path, const std::string& name) {
    const auto bytes = property(path, name);
    if (!bytes) return std::nullopt;
    if (bytes->size() % 4 != 0) report(path, "The property " + name + " ends within a cell.");
    return cells_in(*bytes);
  }

  std::optional<std::uint32_t> number(const std::string& path, const std::string& name) const {
    const auto bytes = property(path, name);
    if (!bytes || bytes->size() != 4) return std::nullopt;
    return cells_in(*bytes).front();
  }

  void report(const std::string& path, std::string detail) {
    found_.problems.push_back({path.empty() ? "/" : path, std::move(detail)});
  }

  void add_unit(const std::string& path, Widths widths, bool plain_addresses) {
    DeviceTreeUnit unit;
    unit.path = path.empty() ? "/" : path;
    unit.phandle = number(path, "phandle").value_or(0);
    unit.cells = number(path, "#iommu-cells").value_or(0);
    const auto reg = property(path, "reg");
    const auto address = reg ? cells_in(*reg) : Cells{};
    if (plain_addresses && widths.address >= 1 && widths.address <= 2 && address.size() >= widths.address) {
      unit.base = 0;
      for (std::size_t at = 0; at < widths.address; ++at) unit.base = (*unit.base << 32U) | address[at];
    }
    auto names = property(path, "compatible").value_or("");
    for (std::string_view rest = names; !rest.empty();) {
      const auto end = std::min(rest.find('\0'), rest.size());
      unit.compatible.push_back(printable(rest.substr(0, end)));
      rest.remove_prefix(std::min(end + 1, rest.size()));
    }
    if (unit.phandle != 0) widths_of_ids_[unit.phandle] = unit.cells;
    found_.units.push_back(std::move(unit));
  }

  // Four cells for each: the first requester ID, the unit, its ID there, how many. Units have one cell of ID there.
  void add_maps(const std::string& path, bool masked) {
    const auto entries = cells(path, "iommu-map").value_or(Cells{});
    const auto domain = number(path, "linux,pci-domain");
    const auto mask = masked ? number(path, "iommu-map-mask").value_or(0xffffffff) : 0xffffffff;
    if (entries.size() % 4 != 0) report(path, "The property iommu-map ends within an entry.");
    for (std::size_t at = 0; at + 4 <= entries.size(); at += 4) {
      found_.maps.push_back({path, domain, entries[at], mask, entries[at + 1], entries[at + 2], entries[at + 3]});
    }
  }

  bool check_unit(const std::string& path, std::uint32_t phandle) {
    if (widths_of_ids_.contains(phandle)) return true;
    report(path, "It refers to the IOMMU " + hex_number(phandle) + ", which is not there.");
    return false;
  }

  // An entry is as long as its unit says.
  void add_users(const std::string& path, const Cells& entries) {
    for (std::size_t at = 0; at < entries.size();) {
      const auto phandle = entries[at++];
      if (!check_unit(path, phandle)) return;
      const std::size_t width = widths_of_ids_[phandle];
      if (width > entries.size() - at) {
        report(path, "The property iommus ends within an entry.");
        return;
      }
      const auto begin = entries.begin() + static_cast<std::ptrdiff_t>(at);
      found_.users.push_back({path, phandle, Cells(begin, begin + static_cast<std::ptrdiff_t>(width))});
      at += width;
    }
  }

  const Tree& tree_;
  std::string root_;
  DeviceTree& found_;
  std::size_t nodes_ = 0;
  std::map<std::uint32_t, std::uint32_t> widths_of_ids_;  ///< by the unit's phandle
  std::vector<std::pair<std::string, Cells>> users_;      ///< units may stand behind their users
};

}  // namespace

std::optional<DeviceTree> read_device_tree(const Tree& tree) {
  for (const std::string root : {"sys/firmware/devicetree/base", "proc/device-tree"}) {
    const auto names = tree.list(root);
    if (!names || names->empty()) continue;
    DeviceTree found;
    Walk(tree, root, found).run();
    return found;
  }
  return std::nullopt;
}

}  // namespace devbindd::sysfs

// SPDX-License-Identifier: Apache-2.0
#include "sysfs/use/read_only_mount.hpp"

#include <algorithm>

#include "sysfs/kernel/fields.hpp"

namespace devbindd::sysfs {
namespace {

constexpr std::size_t max_mountinfo = 4U << 20U;
constexpr std::string_view drivers = "/sys/bus/pci/drivers";

bool is_below(std::string_view path, std::string_view point) {
  if (point == "/") return true;
  return path.starts_with(point) && (path.size() == point.size() || path[point.size()] == '/');
}

bool has_word(std::string_view options, std::string_view wanted) {
  while (!options.empty()) {
    const auto option = options.substr(0, options.find(','));
    if (option == wanted) return true;
    options.remove_prefix(std::min(option.size() + 1, options.size()));
  }
  return false;
}

struct Found {
  std::string point;
  bool read_only = false;
};

// "36 35 98:0 /root /point rw,noatime shared:1 - ext4 /dev/root rw,errors=continue"; the later of two lies above.
std::optional<Found> parse_mount(std::string_view line) {
  const auto words = words_of(line);
  const auto dash = std::ranges::find(words, "-");
  if (words.size() < 10 || words.end() - dash < 4) return std::nullopt;
  return Found{unescaped(words[4]), has_word(words[5], "ro") || has_word(dash[3], "ro")};
}

}  // namespace

std::optional<std::string> read_only_mount(const Tree& tree, std::string_view path) {
  const auto text = tree.read("proc/self/mountinfo", max_mountinfo).value_or("");
  Found over;
  for (const auto line : lines_of(text)) {
    auto mount = parse_mount(line);
    if (mount && is_below(path, mount->point) && mount->point.size() >= over.point.size()) over = std::move(*mount);
  }
  return over.read_only ? std::optional(over.point) : std::nullopt;
}

std::optional<std::string> read_only_sysfs(const Tree& tree) {
  if (auto found = read_only_mount(tree, drivers)) return found;
  return read_only_mount(tree, "/sys/devices");
}

std::optional<std::string> read_only_sysfs(const Tree& tree, const Device& device) {
  if (auto found = read_only_mount(tree, drivers)) return found;
  return read_only_mount(tree, device.sysfs_path);
}

}  // namespace devbindd::sysfs

// SPDX-License-Identifier: Apache-2.0
#include "sysfs/use/console_use.hpp"

#include <optional>
#include <string>

namespace devbindd::sysfs {
namespace {

constexpr std::size_t most_console_bytes = 64U << 10U;

struct Registered {
  std::string name;
  std::optional<DeviceNumber> number;  ///< a network console has none
};

std::vector<Registered> registered_consoles(const Tree& tree) {
  std::vector<Registered> consoles;
  const auto text = tree.read("proc/consoles", most_console_bytes).value_or("");
  for (const auto line : lines_of(text)) {
    const auto words = words_of(line);
    if (!words.empty()) consoles.push_back({std::string(words.front()), device_number_from(words.back())});
  }
  return consoles;
}

bool is_virtio_console(const Tree& tree, const Descendant& found) {
  if (found.subsystem != "virtio" || !found.on_bus) return false;
  return link_name(tree, found.path + "/driver").value_or(std::nullopt) == "virtio_console";
}

}  // namespace

std::vector<Use> console_uses(const Tree& tree, const std::vector<Descendant>& descendants) {
  std::vector<Use> uses;
  if (descendants.empty()) return uses;
  const auto consoles = registered_consoles(tree);
  for (const auto& found : descendants) {
    const auto number = found.subsystem == "tty" ? node_number(tree, found.path) : std::nullopt;
    const bool is_virtual = is_virtio_console(tree, found);
    for (const auto& console : consoles) {
      const bool is_its_own = number && console.number == number;
      if (is_its_own || (is_virtual && console.name.starts_with("hvc")))
        uses.push_back({.kind = UseKind::Console, .path = {found.name}, .subject = console.name});
    }
  }
  return uses;
}

}  // namespace devbindd::sysfs

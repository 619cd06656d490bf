// SPDX-License-Identifier: Apache-2.0
#include "handoff/policy/policy_import.hpp"

#include <algorithm>
#include <cctype>
#include <expected>
#include <nlohmann/json.hpp>

#include "handoff/model/vfio_driver.hpp"
#include "handoff/usage/other_tools.hpp"
#include "sysfs/kernel/command_line.hpp"
#include "sysfs/kernel/fields.hpp"
#include "sysfs/kernel/modprobe_lines.hpp"

namespace devbindd::handoff {
namespace {

void import_driverctl(const sysfs::Tree& tree, PolicyImport& import) {
  const auto tools = read_other_tools(tree);
  for (const auto& error : tools.unreadable) import.left_out.push_back(error.message);
  for (const auto& [address, known] : tools.by_device) {
    const auto tool = std::ranges::find(known, "driverctl", &OtherTool::name);
    if (tool == known.end()) continue;
    auto driver = sysfs::DriverName::parse(tool->subject);
    if (tool->subject == "none" || !driver) {
      import.left_out.push_back(tool->path + ": '" + tool->subject + "' is no driver that a policy can name");
      continue;
    }
    import.policies.push_back({.name = "driverctl " + sysfs::to_string(address),
                               .selector = {.address = address},
                               .driver = std::move(*driver),
                               .scope = Scope::Device});
  }
}

constexpr std::uint32_t any = 0xffffffff;  ///< PCI_ANY_ID
constexpr std::size_t max_ids = 1023;      ///< vfio_pci.c: static char ids[1024]
constexpr std::size_t max_command_line = 1U << 16U;

/// One value of the parameter and where it stands.
struct Ids {
  std::string value;
  std::string place;
};

/// One ID as the kernel takes it.
struct Id {
  std::uint32_t vendor = any;
  std::uint32_t device = any;
  std::uint32_t subvendor = any;
  std::uint32_t subdevice = any;
  std::uint32_t class_code = 0;
  std::uint32_t class_mask = 0;
};

bool is_hex(std::string_view text) { return !text.empty() && std::isxdigit(static_cast<unsigned char>(text.front())); }

// lib/vsprintf.c, vsscanf of "%x": blanks before it and 0x are taken.
std::optional<std::uint32_t> take_number(std::string_view& text) {
  text.remove_prefix(std::min(text.find_first_not_of(" \t\n\v\f\r"), text.size()));
  if (!is_hex(text)) return std::nullopt;
  if (text.size() > 1 && text[0] == '0' && (text[1] == 'x' || text[1] == 'X')) text.remove_prefix(2);
  std::uint64_t value = 0;
  for (; is_hex(text); text.remove_prefix(1))
    value = value << 4U | sysfs::number_from<std::uint64_t>(text.substr(0, 1), 16).value_or(0);
  return static_cast<std::uint32_t>(value);
}

// As sscanf("%x:%x:%x:%x:%x:%x"): what does not fit ends it, and two numbers are needed.
std::optional<Id> scan_id(std::string_view text) {
  Id id;
  unsigned taken = 0;
  for (auto* field : {&id.vendor, &id.device, &id.subvendor, &id.subdevice, &id.class_code, &id.class_mask}) {
    if (taken > 0 && !text.starts_with(':')) break;
    if (taken > 0) text.remove_prefix(1);
    const auto number = take_number(text);
    if (!number) break;
    *field = *number;
    ++taken;
  }
  return taken >= 2 ? std::optional(id) : std::nullopt;
}

std::string hex_digits(std::uint32_t value, unsigned digits) {
  std::string text;
  for (unsigned shift = 4 * digits; shift > 0; shift -= 4) text += "0123456789abcdef"[(value >> (shift - 4)) & 0xfU];
  return text;
}

// "8086:10d3", with what narrows it down.
std::string name_of(const Id& id) {
  const auto number = [](std::uint32_t value) { return value == any ? std::string("*") : hex_digits(value, 4); };
  auto text = number(id.vendor) + ":" + number(id.device);
  if (id.subvendor != any || id.subdevice != any || id.class_mask != 0)
    text += ":" + number(id.subvendor) + ":" + number(id.subdevice);
  if (id.class_mask != 0) text += ":" + hex_digits(id.class_code, 6) + ":" + hex_digits(id.class_mask, 6);
  return text;
}

// The selector that means the same, or why there is none.
std::expected<Selector, std::string> selector_of(const Id& id) {
  Selector selector;
  struct Field {
    std::uint32_t value;
    AnyOf<std::uint16_t>* wanted;
  };
  for (const auto& [value, wanted] :
       {Field{id.vendor, &selector.vendor}, Field{id.device, &selector.device},
        Field{id.subvendor, &selector.subsystem_vendor}, Field{id.subdevice, &selector.subsystem_device}}) {
    if (value == any) continue;
    if (value > 0xffff) return std::unexpected("no device can have such a number");
    *wanted = static_cast<std::uint16_t>(value);
  }
  switch (id.class_mask) {
    case 0: break;
    case 0xff0000: selector.class_prefix = hex_digits(id.class_code >> 16U, 2); break;
    case 0xffff00: selector.class_prefix = hex_digits(id.class_code >> 8U, 4); break;
    case 0xffffff:
    case any: selector.class_prefix = hex_digits(id.class_code, 6); break;
    default: return std::unexpected("its mask of the class is none that a selector can say");
  }
  const bool all = !selector.vendor && !selector.device && !selector.subsystem_vendor && !selector.subsystem_device &&
                   !selector.class_prefix;
  if (all) return std::unexpected("it means every device of the host");
  return selector;
}

void import_id(const std::string& text, const std::string& place, PolicyImport& import) {
  const auto leave_out = [&](const std::string& why) {
    import.left_out.push_back(place + ": the ID '" + text + "': " + why);
  };
  const auto id = scan_id(text);
  if (!id) return leave_out("the kernel takes none without a vendor and a device, and ignores it");
  auto selector = selector_of(*id);
  if (!selector) return leave_out(selector.error());
  const auto name = "vfio-pci.ids " + name_of(*id);
  if (std::ranges::find(import.policies, name, &Policy::name) != import.policies.end()) return;
  import.policies.push_back(
      {.name = name, .selector = std::move(*selector), .driver = default_vfio_driver(), .scope = Scope::Device});
}

void add_values(const std::string& arguments, std::string_view name, const std::string& place,
                std::vector<Ids>& found) {
  for (const auto& word : sysfs::parse_command_line(arguments)) {
    if (word.name == name) found.push_back({word.value.value_or(""), place});
  }
}

std::string plain(std::string_view options) {
  std::string text(options);
  std::ranges::replace(text, '\t', ' ');
  const auto first = text.find_first_not_of(' ');
  return first == std::string::npos ? "" : text.substr(first, text.find_last_not_of(' ') - first + 1);
}

// libkmod tells what counts, the lines where it stands. What stands in no line is of the kernel command line, which is
// read by itself.
std::vector<Ids> ids_of_modprobe(const sysfs::Tree& tree, const sysfs::ModuleIndex& index) {
  auto lines = sysfs::read_modprobe_lines(tree);
  std::erase_if(lines, [](const auto& line) { return line.command != "options" || line.module != "vfio_pci"; });
  std::vector<Ids> found;
  for (const auto& options : sysfs::module_options(index, "vfio_pci")) {
    const auto line =
        std::ranges::find(lines, plain(options), [](const auto& known) { return plain(known.arguments); });
    if (line == lines.end()) continue;
    add_values(options, "ids", place_of(*line), found);
    lines.erase(line);
  }
  return found;
}

void import_ids(const sysfs::Tree& tree, const sysfs::ModuleIndex& index, PolicyImport& import) {
  auto found = ids_of_modprobe(tree, index);
  if (sysfs::module_state(tree, index, "vfio_pci") == sysfs::ModuleState::BuiltIn) {
    for (const auto& ids : found)
      import.left_out.push_back(ids.place + ": vfio-pci is built into this kernel, which does not read modprobe.d");
    found.clear();
  }
  add_values(tree.read("proc/cmdline", max_command_line).value_or(""), "vfio_pci.ids", "/proc/cmdline", found);
  if (found.empty()) return;
  const auto last = std::move(found.back());
  found.pop_back();
  for (const auto& ids : found)
    import.left_out.push_back(ids.place + ": ids=" + ids.value + " does not count: a later one is in " + last.place);
  if (last.value.size() > max_ids) {
    import.left_out.push_back(last.place + ": ids= is longer than " + std::to_string(max_ids) +
                              " bytes, and vfio-pci does not load with it");
    return;
  }
  std::string_view rest = last.value;
  while (!rest.empty()) {
    const std::string id(rest.substr(0, rest.find(',')));
    rest.remove_prefix(std::min(id.size() + 1, rest.size()));
    if (!id.empty()) import_id(id, last.place, import);
  }
}

}  // namespace

PolicyImport import_policies(const sysfs::Tree& tree, const sysfs::ModuleIndex& index) {
  PolicyImport import;
  import_driverctl(tree, import);
  import_ids(tree, index, import);
  return import;
}

std::string configuration_of(const std::vector<Policy>& policies) {
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  for (const auto& policy : policies) {
    const auto& wanted = policy.selector;
    nlohmann::ordered_json selector;
    if (wanted.address) selector["address"] = sysfs::to_string(wanted.address.values.front());
    for (const auto& [name, id] : {std::pair("vendor", &wanted.vendor), std::pair("device", &wanted.device),
                                   std::pair("subsystem_vendor", &wanted.subsystem_vendor),
                                   std::pair("subsystem_device", &wanted.subsystem_device)}) {
      if (*id) selector[name] = hex_digits(id->values.front(), 4);
    }
    if (wanted.class_prefix) selector["class"] = wanted.class_prefix.values.front();
    list.push_back({{"name", policy.name},
                    {"selector", selector},
                    {"driver", policy.driver.text()},
                    {"scope", std::string(name_of(policy.scope))}});
  }
  return nlohmann::ordered_json{{"policies", list}}.dump(2, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace devbindd::handoff

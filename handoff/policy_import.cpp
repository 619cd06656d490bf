#include "handoff/policy_import.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "handoff/other_tools.hpp"
#include "handoff/vfio_driver.hpp"
#include "sysfs/fields.hpp"
#include "sysfs/modprobe_lines.hpp"

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

std::vector<std::string> parts_of(const std::string& text, char separator) {
  std::vector<std::string> parts;
  std::string_view rest = text;
  while (true) {
    const auto end = rest.find(separator);
    parts.emplace_back(rest.substr(0, end));
    if (end == std::string_view::npos) return parts;
    rest.remove_prefix(end + 1);
  }
}

// "8086:10d3"; what comes behind narrows the ID down in a way that no selector can.
void import_id(const std::string& id, const std::string& where, PolicyImport& import) {
  const auto fields = parts_of(id, ':');
  const auto number = [&fields](std::size_t at) {
    return at < fields.size() ? sysfs::number_from<std::uint16_t>(fields[at], 16) : std::nullopt;
  };
  const auto is_any = [](const std::string& field) { return field.empty() || field == "ffffffff"; };
  const bool narrowed = fields.size() > 2 && std::ranges::any_of(fields.begin() + 2, fields.end(),
                                                                 [&](const auto& field) { return !is_any(field); });
  if (!number(0) || !number(1) || narrowed) {
    import.left_out.push_back(where + ": the ID '" + id + "' is not only a vendor and a device");
    return;
  }
  const auto name = "vfio-pci.ids " + id;
  if (std::ranges::find(import.policies, name, &Policy::name) != import.policies.end()) return;
  import.policies.push_back({.name = name,
                             .selector = {.vendor = *number(0), .device = *number(1)},
                             .driver = default_vfio_driver(),
                             .scope = Scope::Device});
}

void import_ids(const std::string& arguments, const std::vector<std::string>& keys, const std::string& where,
                PolicyImport& import) {
  for (const auto word : sysfs::words_of(arguments)) {
    const auto equals = word.find('=');
    if (equals == std::string_view::npos) continue;
    const std::string key(word.substr(0, equals));
    if (std::ranges::find(keys, key) == keys.end()) continue;
    for (const auto& id : parts_of(std::string(word.substr(equals + 1)), ',')) {
      if (!id.empty()) import_id(id, where, import);
    }
  }
}

std::string hex(std::uint16_t id) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string text;
  for (const unsigned shift : {12U, 8U, 4U, 0U}) text += digits[(id >> shift) & 0xfU];
  return text;
}

}  // namespace

PolicyImport import_policies(const sysfs::Tree& tree) {
  PolicyImport import;
  import_driverctl(tree, import);
  for (const auto& line : sysfs::read_modprobe_lines(tree)) {
    if (line.command == "options" && line.module == "vfio_pci") import_ids(line.arguments, {"ids"}, line.file, import);
  }
  import_ids(tree.read("proc/cmdline").value_or(""), {"vfio-pci.ids", "vfio_pci.ids"}, "/proc/cmdline", import);
  return import;
}

std::string configuration_of(const std::vector<Policy>& policies) {
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  for (const auto& policy : policies) {
    nlohmann::ordered_json selector;
    if (policy.selector.address) selector["address"] = sysfs::to_string(*policy.selector.address);
    if (policy.selector.vendor) selector["vendor"] = hex(*policy.selector.vendor);
    if (policy.selector.device) selector["device"] = hex(*policy.selector.device);
    list.push_back({{"name", policy.name},
                    {"selector", selector},
                    {"driver", policy.driver.text()},
                    {"scope", std::string(name_of(policy.scope))}});
  }
  return nlohmann::ordered_json{{"policies", list}}.dump(2);
}

}  // namespace devbindd::handoff

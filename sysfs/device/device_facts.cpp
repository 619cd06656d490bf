// SPDX-License-Identifier: Apache-2.0
#include "sysfs/device/device_facts.hpp"

#include <algorithm>

#include "sysfs/kernel/fields.hpp"

namespace devbindd::sysfs {
namespace {

constexpr unsigned most_lanes = 32;
constexpr std::string_view aer_device = "aer_dev_";
constexpr std::string_view aer_root = "aer_rootport_total_err_";

using Attributes = std::map<std::string, std::string>;

std::optional<std::string> text(const Attributes& attributes, const std::string& name) {
  const auto found = attributes.find(name);
  if (found == attributes.end() || found->second.empty()) return std::nullopt;
  return found->second;
}

// Some files say "Unknown" or "unknown" where others do not exist.
std::optional<std::string> known(const Attributes& attributes, const std::string& name) {
  auto value = text(attributes, name);
  if (value && (value->starts_with("Unknown") || value->starts_with("unknown"))) return std::nullopt;
  return value;
}

std::optional<unsigned> count(const Attributes& attributes, const std::string& name) {
  const auto value = text(attributes, name);
  return value ? number_from<unsigned>(*value) : std::nullopt;
}

std::optional<bool> flag(const Attributes& attributes, const std::string& name) {
  const auto value = count(attributes, name);
  if (!value || *value > 1) return std::nullopt;
  return *value == 1;
}

std::optional<unsigned> lanes(const Attributes& attributes, const std::string& name) {
  const auto value = count(attributes, name);
  if (!value || *value == 0 || *value > most_lanes) return std::nullopt;
  return value;
}

std::optional<Link> link_of(const Attributes& attributes) {
  if (!attributes.contains("max_link_speed") && !attributes.contains("current_link_speed")) return std::nullopt;
  return Link{.current_speed = known(attributes, "current_link_speed"),
              .current_width = lanes(attributes, "current_link_width"),
              .max_speed = known(attributes, "max_link_speed"),
              .max_width = lanes(attributes, "max_link_width")};
}

// "NAME COUNT" for each line; names contain blanks, so the count is behind the last one. A root port's files hold a
// bare count.
ErrorCounters counters(std::string_view content) {
  ErrorCounters found;
  while (!content.empty()) {
    const auto end = std::min(content.find('\n'), content.size());
    const auto line = content.substr(0, end);
    const auto blank = line.rfind(' ');
    const auto value = number_from<std::uint64_t>(blank == std::string_view::npos ? line : line.substr(blank + 1));
    if (value)
      found.emplace_back(blank == std::string_view::npos ? "total" : std::string(line.substr(0, blank)), *value);
    content.remove_prefix(std::min(end + 1, content.size()));
  }
  return found;
}

std::map<std::string, ErrorCounters> error_counters(const Attributes& attributes) {
  std::map<std::string, ErrorCounters> found;
  for (const auto& [name, content] : attributes) {
    if (name.starts_with(aer_device)) found.emplace(name.substr(aer_device.size()), counters(content));
    if (name.starts_with(aer_root)) found.emplace("rootport_" + name.substr(aer_root.size()), counters(content));
  }
  std::erase_if(found, [](const auto& entry) { return entry.second.empty(); });
  return found;
}

void read_sriov(const Attributes& attributes, DeviceFacts& facts) {
  facts.sriov_vf_device = text(attributes, "sriov_vf_device");
  facts.sriov_offset = count(attributes, "sriov_offset");
  facts.sriov_stride = count(attributes, "sriov_stride");
  facts.sriov_drivers_autoprobe = flag(attributes, "sriov_drivers_autoprobe");
}

}  // namespace

const std::vector<std::string>& fact_attributes() {
  static const std::vector<std::string> names = {"current_link_speed",
                                                 "current_link_width",
                                                 "max_link_speed",
                                                 "max_link_width",
                                                 "power_state",
                                                 "power/runtime_status",
                                                 "power/control",
                                                 "d3cold_allowed",
                                                 "reset_method",
                                                 "aer_dev_correctable",
                                                 "aer_dev_fatal",
                                                 "aer_dev_nonfatal",
                                                 "aer_rootport_total_err_cor",
                                                 "aer_rootport_total_err_fatal",
                                                 "aer_rootport_total_err_nonfatal",
                                                 "irq",
                                                 "dma_mask_bits",
                                                 "local_cpulist",
                                                 "label",
                                                 "index",
                                                 "acpi_index",
                                                 "boot_vga",
                                                 "ari_enabled",
                                                 "removable",
                                                 "sriov_vf_device",
                                                 "sriov_offset",
                                                 "sriov_stride",
                                                 "sriov_drivers_autoprobe"};
  return names;
}

DeviceFacts facts_from(const Attributes& attributes) {
  DeviceFacts facts;
  facts.link = link_of(attributes);
  facts.power_state = known(attributes, "power_state");
  facts.runtime_status = text(attributes, "power/runtime_status");
  facts.runtime_control = text(attributes, "power/control");
  facts.d3cold_allowed = flag(attributes, "d3cold_allowed");
  if (const auto found = attributes.find("reset_method"); found != attributes.end()) {
    const auto methods = words_of(found->second);
    facts.reset_methods.emplace(methods.begin(), methods.end());
  }
  facts.error_counters = error_counters(attributes);
  facts.irq = count(attributes, "irq");
  if (facts.irq == 0U) facts.irq.reset();
  facts.dma_mask_bits = count(attributes, "dma_mask_bits");
  facts.local_cpus = text(attributes, "local_cpulist");
  facts.label = text(attributes, "label");
  facts.firmware_index = count(attributes, "index");
  if (!facts.firmware_index) facts.firmware_index = count(attributes, "acpi_index");
  facts.boot_vga = flag(attributes, "boot_vga");
  facts.ari_enabled = flag(attributes, "ari_enabled");
  facts.removable = known(attributes, "removable");
  read_sriov(attributes, facts);
  return facts;
}

std::vector<std::pair<unsigned, std::string>> read_msi_irqs(const Tree& tree, const std::string& device_path) {
  std::vector<std::pair<unsigned, std::string>> found;
  const auto names = tree.list(device_path + "/msi_irqs");
  if (!names) return found;  // there only while a driver has vectors
  for (const auto& name : *names) {
    const auto irq = number_from<unsigned>(name);
    const auto type = tree.read(device_path + "/msi_irqs/" + name);
    if (irq && type) found.emplace_back(*irq, *type);
  }
  std::ranges::sort(found);
  return found;
}

std::optional<std::string> physical_slot(const Tree& tree, const std::string& address) {
  const auto function = address.rfind('.');
  const auto names = tree.list("sys/bus/pci/slots");
  if (!names || function == std::string::npos) return std::nullopt;
  for (const auto& name : *names) {
    const auto slot = tree.read("sys/bus/pci/slots/" + name + "/address");
    if (slot && *slot == address.substr(0, function)) return name;
  }
  return std::nullopt;
}

}  // namespace devbindd::sysfs

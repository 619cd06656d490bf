// SPDX-License-Identifier: Apache-2.0
// What the host says of its IOMMUs: kernel command line, register files, names. The input is a list of contents that
// end with a zero.
#include <algorithm>
#include <array>
#include <cstring>

#include "sysfs/iommu/iommu_state.hpp"
#include "sysfs/iommu/iommu_unit.hpp"
#include "tests/fuzz/file_tree.hpp"
#include "tests/fuzz/fuzz.hpp"

using namespace devbindd::sysfs;
using devbindd::fuzz::must;

namespace {

class TextTree final : public devbindd::fuzz::FileTree {
 public:
  Result<std::optional<NodeStatus>> status(std::string_view path) const override {
    if (files.contains(std::string(path))) return std::optional(NodeStatus{});
    return std::optional<NodeStatus>{};
  }
};

std::string next_content(std::string_view& text) {
  const auto end = std::min(text.find('\0'), text.size());
  std::string content(text.substr(0, end));
  text.remove_prefix(std::min(end + 1, text.size()));
  return content;
}

std::string file_name(std::string text, const std::string& otherwise) {
  std::ranges::replace(text, '/', '!');
  return text.empty() ? otherwise : text;
}

bool has_blank(std::string_view text) { return text.find_first_of(" \t\n\r\v\f") != std::string_view::npos; }

// What is written is read again as the same, as far as quotes leave it unambiguous.
void check_parameter(const BootParameter& parameter) {
  must(parameter.name.find('-') == std::string::npos && parameter.name.find('=') == std::string::npos);
  const auto text = to_string(parameter);
  if (parameter.value && parameter.value->find(',') == std::string::npos && !parameter.value->empty())
    must(has_option(parameter, *parameter.value));
  if (text.empty() || text.find('"') != std::string::npos || has_blank(text)) return;
  const auto again = parse_command_line(text);
  must(again.size() == 1 && again.front() == parameter);
}

void check_intel(const IntelCapabilities& found) {
  must(!found.domains || (*found.domains >= 16 && *found.domains <= 65536));
  must(found.address_widths.size() <= 3 && std::ranges::is_sorted(found.address_widths));
  must(found.max_address_width >= 1 && found.max_address_width <= 64);
  must(found.fault_registers >= 1 && found.fault_registers <= 256);
  must(found.fault_register_offset < 16384 && found.iotlb_register_offset < 16384);
  must(found.max_handle_mask < 16 && found.max_address_mask < 64);
  must(found.pasid_bits.has_value() == found.process_address_spaces);
  must(!found.pasid_bits || (*found.pasid_bits >= 1 && *found.pasid_bits <= 32));
}

void check_amd(const AmdFeatures& found) {
  must(!found.host_levels || (*found.host_levels >= 4 && *found.host_levels <= 6));
  must(!found.guest_levels || (*found.guest_levels >= 4 && *found.guest_levels <= 6));
  must(!found.guest_cr3_levels || (*found.guest_cr3_levels >= 1 && *found.guest_cr3_levels <= 3));
  must(found.pasid_bits >= 1 && found.pasid_bits <= 32);
  must(found.device_table_segments >= 1 && found.device_table_segments <= 8);
}

void check_units(const std::vector<IommuUnit>& units) {
  for (const auto& unit : units) {
    must(unit.intel.has_value() == (unit.kind == IommuKind::Intel));
    must(unit.amd.has_value() == (unit.kind == IommuKind::Amd));
    must(!name_of(unit.kind).empty());
    must(std::ranges::is_sorted(unit.devices));
    if (unit.intel) {
      must(unit.intel->capabilities.has_value() == (unit.intel->cap.has_value() && unit.intel->ecap.has_value()));
      must(!unit.intel->version || unit.intel->version->find(':') != std::string::npos);
    }
    if (unit.amd) must(unit.amd->features.has_value() == unit.amd->efr.has_value());
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::array<std::uint64_t, 2> registers{};
  std::memcpy(registers.data(), data, std::min(size, sizeof registers));
  check_intel(decode_intel(registers[0], registers[1]));
  check_amd(decode_amd(registers[0], registers[1]));

  auto text = devbindd::fuzz::text_of(data, size);
  TextTree tree;
  tree.files["proc/cmdline"] = next_content(text);
  for (const auto& parameter : parse_command_line(tree.files["proc/cmdline"])) check_parameter(parameter);
  const std::string intel = "sys/class/iommu/" + file_name(next_content(text), "dmar0") + "/intel-iommu/";
  for (const auto* name : {"cap", "ecap", "version", "address", "domains_used"})
    tree.files[intel + name] = next_content(text);
  tree.files["sys/class/iommu/ivhd0/amd-iommu/features"] = next_content(text);
  tree.files["sys/class/iommu/ivhd0/devices/" + file_name(next_content(text), "0000:05:00.0")] = {};
  tree.files["sys/kernel/irq/24/chip_name"] = next_content(text);
  tree.files["sys/kernel/iommu_groups/" + file_name(next_content(text), "1") + "/type"] = next_content(text);
  const auto units = list_iommu_units(tree);
  must(units.has_value());
  check_units(*units);
  const auto on = read_iommu_state(tree);
  must(on.translates && on.why_off.empty() && on.off_cause == OffCause::None);

  std::erase_if(tree.files, [](const auto& file) { return file.first.starts_with("sys/class/iommu/"); });
  const auto off = read_iommu_state(tree);
  must(!off.translates && !off.why_off.empty() && off.off_cause != OffCause::None);
  must(off.parameters == on.parameters && off.domain_types == on.domain_types);
  return 0;
}

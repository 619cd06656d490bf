// SPDX-License-Identifier: Apache-2.0
// SR-IOV and resizable BARs.
#include "sysfs/config_space/capability_decoders.hpp"

namespace devbindd::sysfs {
namespace {

constexpr std::size_t bar_count = 6;

constexpr BitField vf_capabilities[] = {{"migration", 0},
                                        {"ari_hierarchy_preserved", 1},
                                        {"tag_10bit_requester", 2},
                                        {"migration_interrupt_message", 21, 11}};
constexpr BitField vf_control[] = {
    {"enable", 0},       {"migration_enable", 1}, {"migration_interrupt", 2},
    {"memory_space", 3}, {"ari_hierarchy", 4},    {"tag_10bit_requester_enable", 5},
};
constexpr BitField vf_status[] = {{"migration_status", 0}};

constexpr BitField migration_array[] = {{"bar", 0, 3}, {"offset", 3, 29, offset_in_bar}};

// All ones is what a BAR holds that nobody has set up.
void decode_vf_bars(RegisterReader& registers) {
  std::vector<Fields> bars;
  for (std::size_t at = 0; at < bar_count; ++at) {
    const auto low = registers.read("bars", 0x24 + 4 * at, 4);
    if (!low || *low == 0 || *low == 0xffffffffU) continue;
    const bool wide = bits_of(*low, 1, 2) == 2;
    Fields bar;
    bar.push_back({"bar", std::uint64_t{at}});
    bar.push_back({"raw", Hex{*low, 8}});
    std::uint64_t address = *low & ~0xfU;
    if (wide && at + 1 < bar_count) {
      ++at;
      address |= std::uint64_t{registers.read("bars", 0x24 + 4 * at, 4).value_or(0)} << 32U;
    }
    bar.push_back({"address", Hex{address, wide ? 16U : 8U}});
    bar.push_back({"address_64bit", wide});
    bar.push_back({"prefetchable", bits_of(*low, 3, 1) != 0});
    bars.push_back(std::move(bar));
  }
  registers.add("bars", std::move(bars));
}

// Sizes go from 1 MiB (code 0) to 8 EiB (code 43).
Value size_of(std::uint32_t code) {
  if (code >= 44) return {};
  return std::uint64_t{1} << (20 + code);
}

std::vector<std::uint64_t> supported_sizes(std::uint32_t capability, std::uint32_t control) {
  std::vector<std::uint64_t> sizes;
  for (unsigned code = 0; code < 28; ++code) {
    if (bits_of(capability, 4 + code, 1) != 0) sizes.push_back(std::uint64_t{1} << (20 + code));
  }
  for (unsigned code = 28; code < 44; ++code) {
    if (bits_of(control, code - 12, 1) != 0) sizes.push_back(std::uint64_t{1} << (20 + code));
  }
  return sizes;
}

}  // namespace

void decode_sriov(RegisterReader& registers, const CapabilityContext&) {
  registers.parts("capabilities", 4, 4, vf_capabilities);
  registers.parts("control", 8, 2, vf_control);
  registers.parts("status", 0x0a, 2, vf_status);
  registers.number("initial_vfs", 0x0c, 2);
  registers.number("total_vfs", 0x0e, 2);
  registers.number("num_vfs", 0x10, 2);
  registers.number("function_dependency_link", 0x12, 1);
  registers.number("first_vf_offset", 0x14, 2);
  registers.number("vf_stride", 0x16, 2);
  registers.id("vf_device", 0x1a);
  registers.hex("supported_page_sizes", 0x1c, 4);
  registers.hex("system_page_size", 0x20, 4);
  decode_vf_bars(registers);
  registers.parts("migration_state_array", 0x3c, 4, migration_array);
}

void decode_resizable_bar(RegisterReader& registers, const CapabilityContext&) {
  const auto first = registers.read("bars", 8, 4);
  if (!first) return;
  const auto count = bits_of(*first, 5, 3);
  registers.add("bar_count", std::uint64_t{count});
  std::vector<Fields> bars;
  for (std::size_t at = 0; at < count && count <= bar_count; ++at) {
    const auto capability = registers.read("bars", 4 + 8 * at, 4);
    const auto control = registers.read("bars", 8 + 8 * at, 4);
    if (!capability || !control) break;
    Fields bar;
    bar.push_back({"bar", std::uint64_t{bits_of(*control, 0, 3)}});
    bar.push_back({"size", size_of(bits_of(*control, 8, 6))});
    bar.push_back({"supported_sizes", supported_sizes(*capability, *control)});
    bars.push_back(std::move(bar));
  }
  registers.add("bars", std::move(bars));
}

}  // namespace devbindd::sysfs

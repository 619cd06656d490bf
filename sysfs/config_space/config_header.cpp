// SPDX-License-Identifier: Apache-2.0
// The header of the configuration space: decode_header() of config_space.hpp.
#include <array>

#include "sysfs/config_space/config_space.hpp"

namespace devbindd::sysfs {
namespace {

constexpr BitField command[] = {
    {"io_space", 0},
    {"memory_space", 1},
    {"bus_master", 2},
    {"special_cycles", 3},
    {"write_invalidate", 4},
    {"vga_palette_snoop", 5},
    {"parity_error_response", 6},
    {"stepping", 7},
    {"serr", 8},
    {"fast_back_to_back", 9},
    {"interrupt_disable", 10},
};

Value devsel(std::uint32_t code) {
  constexpr std::array<const char*, 3> names = {"fast", "medium", "slow"};
  if (code >= names.size()) return {};
  return std::string(names[code]);
}

constexpr BitField header_status[] = {
    {"interrupt", 3},
    {"capabilities_list", 4},
    {"capable_66mhz", 5},
    {"user_definable", 6},
    {"fast_back_to_back", 7},
    {"master_parity_error", 8},
    {"devsel_timing", 9, 2, devsel},
    {"signaled_target_abort", 11},
    {"received_target_abort", 12},
    {"received_master_abort", 13},
    {"signaled_system_error", 14},
    {"detected_parity_error", 15},
};

constexpr BitField secondary_status[] = {
    {"capable_66mhz", 5},          {"fast_back_to_back", 7},
    {"master_parity_error", 8},    {"devsel_timing", 9, 2, devsel},
    {"signaled_target_abort", 11}, {"received_target_abort", 12},
    {"received_master_abort", 13}, {"received_system_error", 14},
    {"detected_parity_error", 15},
};

constexpr BitField bridge_control[] = {
    {"parity_error_response", 0},
    {"serr", 1},
    {"isa", 2},
    {"vga", 3},
    {"vga_16bit", 4},
    {"master_abort", 5},
    {"secondary_bus_reset", 6},
    {"fast_back_to_back", 7},
    {"primary_discard_timer", 8},
    {"secondary_discard_timer", 9},
    {"discard_timer_status", 10},
    {"discard_timer_serr", 11},
};

constexpr BitField header_type[] = {{"layout", 0, 7}, {"multifunction", 7}};
constexpr BitField self_test[] = {{"completion_code", 0, 4}, {"start", 6}, {"capable", 7}};

Value base_class(std::uint32_t bits) { return Hex{bits, 6}; }

// A null pin is no interrupt.
Value pin(std::uint32_t code) {
  if (code == 0 || code > 4) return {};
  return std::string(1, static_cast<char>('A' + code - 1));
}

void decode_common(RegisterReader& registers) {
  registers.id("vendor", 0x00);
  registers.id("device", 0x02);
  registers.parts("command", 0x04, 2, command);
  registers.parts("status", 0x06, 2, header_status);
  registers.number("revision", 0x08, 1);
  if (const auto word = registers.read("class", 0x08, 4)) registers.add("class", base_class(bits_of(*word, 8, 24)));
  if (const auto line = registers.read("cache_line_bytes", 0x0c, 1)) {
    registers.add("cache_line_bytes", std::uint64_t{*line} * 4);
  }
  registers.number("latency_timer", 0x0d, 1);
  registers.parts("header_type", 0x0e, 1, header_type);
  registers.parts("built_in_self_test", 0x0f, 1, self_test);
}

Fields decode_bar(std::size_t index, std::uint32_t low) {
  Fields bar{{"bar", std::uint64_t{index}}, {"raw", Hex{low, 8}}};
  if (bits_of(low, 0, 1) != 0) {
    bar.push_back({"type", std::string("io")});
    bar.push_back({"address", Hex{low & ~3U, 8}});
    return bar;
  }
  bar.push_back({"type", std::string("memory")});
  bar.push_back({"address", Hex{low & ~0xfU, 8}});
  bar.push_back({"address_64bit", bits_of(low, 1, 2) == 2});
  bar.push_back({"prefetchable", bits_of(low, 3, 1) != 0});
  return bar;
}

// The addresses in the registers; the kernel's view of them is in the file `resource`. An unused BAR holds 0.
void decode_bars(RegisterReader& registers, std::size_t count) {
  std::vector<Fields> bars;
  for (std::size_t at = 0; at < count; ++at) {
    const auto low = registers.read("bars", 0x10 + 4 * at, 4);
    if (!low || *low == 0) continue;
    auto bar = decode_bar(at, *low);
    const bool wide = bits_of(*low, 0, 3) == 4;
    if (wide && at + 1 < count) {
      ++at;
      const auto high = registers.read("bars", 0x10 + 4 * at, 4).value_or(0);
      bar[3].value = Hex{std::uint64_t{high} << 32U | (*low & ~0xfU), 16};
    }
    bars.push_back(std::move(bar));
  }
  registers.add("bars", std::move(bars));
}

void decode_interrupt(RegisterReader& registers) {
  registers.number("interrupt_line", 0x3c, 1);
  if (const auto code = registers.read("interrupt_pin", 0x3d, 1)) registers.add("interrupt_pin", pin(*code));
}

void decode_device_header(RegisterReader& registers) {
  decode_bars(registers, 6);
  registers.hex("cardbus_cis", 0x28, 4);
  registers.id("subsystem_vendor", 0x2c);
  registers.id("subsystem_device", 0x2e);
  registers.hex("expansion_rom", 0x30, 4);
  registers.hex("capabilities_pointer", 0x34, 1);
  decode_interrupt(registers);
  registers.number("min_grant", 0x3e, 1);
  registers.number("max_latency", 0x3f, 1);
}

void decode_bridge_header(RegisterReader& registers) {
  decode_bars(registers, 2);
  registers.number("primary_bus", 0x18, 1);
  registers.number("secondary_bus", 0x19, 1);
  registers.number("subordinate_bus", 0x1a, 1);
  registers.number("secondary_latency_timer", 0x1b, 1);
  registers.hex("io_base", 0x1c, 1);
  registers.hex("io_limit", 0x1d, 1);
  registers.parts("secondary_status", 0x1e, 2, secondary_status);
  registers.hex("memory_base", 0x20, 2);
  registers.hex("memory_limit", 0x22, 2);
  registers.hex("prefetchable_base", 0x24, 2);
  registers.hex("prefetchable_limit", 0x26, 2);
  registers.hex("prefetchable_base_upper", 0x28, 4);
  registers.hex("prefetchable_limit_upper", 0x2c, 4);
  registers.hex("io_base_upper", 0x30, 2);
  registers.hex("io_limit_upper", 0x32, 2);
  registers.hex("capabilities_pointer", 0x34, 1);
  registers.hex("expansion_rom", 0x38, 4);
  decode_interrupt(registers);
  registers.parts("bridge_control", 0x3e, 2, bridge_control);
}

void decode_cardbus_header(RegisterReader& registers) {
  decode_bars(registers, 1);
  registers.hex("capabilities_pointer", 0x14, 1);
  registers.number("primary_bus", 0x18, 1);
  registers.number("secondary_bus", 0x19, 1);
  registers.number("subordinate_bus", 0x1a, 1);
  decode_interrupt(registers);
  registers.id("subsystem_vendor", 0x40);
  registers.id("subsystem_device", 0x42);
}

}  // namespace

ConfigHeader decode_header(const ConfigSpace& config) {
  RegisterReader registers(config.bytes);
  decode_common(registers);
  const auto type = registers.read("header_type", 0x0e, 1).value_or(0xff);
  switch (bits_of(type, 0, 7)) {
    case 0: decode_device_header(registers); break;
    case 1: decode_bridge_header(registers); break;
    case 2: decode_cardbus_header(registers); break;
    default: break;
  }
  return {registers.take_fields(), registers.truncated()};
}

}  // namespace devbindd::sysfs

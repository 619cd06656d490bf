// SPDX-License-Identifier: Apache-2.0
// Who made it and what they added: serial number, subsystem, vendor-specific structures; small old capabilities.
#include <array>
#include <cstdio>

#include "sysfs/config_space/capability_decoders.hpp"

namespace devbindd::sysfs {
namespace {

bool is_virtio(const CapabilityContext& context) {
  return context.vendor == 0x1af4 && context.device >= 0x1000 && context.device <= 0x107f;
}

Value virtio_structure(std::uint32_t type) {
  switch (type) {
    case 1: return std::string("common_configuration");
    case 2: return std::string("notification");
    case 3: return std::string("isr_status");
    case 4: return std::string("device_configuration");
    case 5: return std::string("pci_configuration_access");
    case 8: return std::string("shared_memory");
    case 9: return std::string("vendor_data");
    default: return {};
  }
}

void decode_virtio(RegisterReader& registers, std::uint32_t length) {
  const auto type = registers.read("virtio_structure", 3, 1);
  if (!type) return;
  registers.add("virtio_structure", virtio_structure(*type));
  registers.number("virtio_structure_type", 3, 1);
  registers.number("bar", 4, 1);
  registers.hex("offset", 8, 4);
  registers.hex("size", 12, 4);
  if (*type == 2 && length >= 20) registers.hex("notify_multiplier", 16, 4);
}

// 12 bits of length from bit 20 on, 4 of revision from bit 16 on, as VSEC and DVSEC have them.
std::uint32_t length_of(std::uint32_t header) { return bits_of(header, 20, 12); }

constexpr BitField slot[] = {{"slots", 0, 5}, {"first_in_chassis", 5}};
constexpr BitField feature_capabilities[] = {{"transactions_pending", 0}, {"function_level_reset", 1}};
constexpr BitField feature_control[] = {{"initiate_function_level_reset", 0}};
constexpr BitField feature_status[] = {{"transactions_pending", 0}};

}  // namespace

void decode_vendor(RegisterReader& registers, const CapabilityContext& context) {
  const auto length = registers.read("length", 2, 1);
  if (!length) return;
  registers.add("length", std::uint64_t{*length});
  if (is_virtio(context) && *length >= 16) decode_virtio(registers, *length);
  registers.claim(*length);
}

void decode_extended_vendor(RegisterReader& registers, const CapabilityContext&) {
  const auto header = registers.read("header", 4, 4);
  if (!header) return;
  registers.add("id", id_value(bits_of(*header, 0, 16)));
  registers.add("revision", std::uint64_t{bits_of(*header, 16, 4)});
  registers.add("length", std::uint64_t{length_of(*header)});
  registers.claim(length_of(*header));
}

void decode_designated_vendor(RegisterReader& registers, const CapabilityContext&) {
  const auto header = registers.read("header", 4, 4);
  if (!header) return;
  registers.add("vendor", id_value(bits_of(*header, 0, 16)));
  registers.id("id", 8);
  registers.add("revision", std::uint64_t{bits_of(*header, 16, 4)});
  registers.add("length", std::uint64_t{length_of(*header)});
  registers.claim(length_of(*header));
}

void decode_serial_number(RegisterReader& registers, const CapabilityContext&) {
  const auto low = registers.read("serial_number", 4, 4);
  const auto high = registers.read("serial_number", 8, 4);
  if (!low || !high) return;
  std::string text;
  const auto serial = std::uint64_t{*high} << 32U | *low;
  for (unsigned shift = 64; shift > 0; shift -= 8) {
    std::array<char, 4> byte{};
    std::snprintf(byte.data(), byte.size(), "%02x", static_cast<unsigned>(serial >> (shift - 8)) & 0xffU);
    text += (text.empty() ? "" : "-") + std::string(byte.data());
  }
  registers.add("serial_number", std::move(text));
}

void decode_subsystem(RegisterReader& registers, const CapabilityContext&) {
  registers.id("subsystem_vendor", 4);
  registers.id("subsystem_device", 6);
}

void decode_slot_id(RegisterReader& registers, const CapabilityContext&) {
  registers.parts("expansion_slot", 2, 1, slot);
  registers.number("chassis", 3, 1);
}

void decode_debug_port(RegisterReader& registers, const CapabilityContext&) {
  const auto port = registers.read("port", 2, 2);
  if (!port) return;
  registers.add("bar", std::uint64_t{bits_of(*port, 13, 3)});
  registers.add("offset", Hex{bits_of(*port, 0, 13), 4});
}

void decode_advanced_features(RegisterReader& registers, const CapabilityContext&) {
  registers.number("length", 2, 1);
  registers.parts("capabilities", 3, 1, feature_capabilities);
  registers.parts("control", 4, 1, feature_control);
  registers.parts("status", 5, 1, feature_status);
}

}  // namespace devbindd::sysfs

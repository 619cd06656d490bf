// SPDX-License-Identifier: Apache-2.0
#include "sysfs/device/serial_number.hpp"

#include <algorithm>

#include "sysfs/config_space/capabilities.hpp"

namespace devbindd::sysfs {

std::optional<std::string> device_serial_number(const ConfigSpace& config) {
  constexpr std::uint16_t capability_id = 0x03;
  const auto report = decode_capabilities(config);
  if (!report.extended) return std::nullopt;
  const auto found = std::ranges::find_if(
      *report.extended, [](const Capability& capability) { return capability.header.id == capability_id; });
  if (found == report.extended->end() || !found->fields) return std::nullopt;
  const auto field = std::ranges::find(*found->fields, "serial_number", &Field::name);
  if (field == found->fields->end()) return std::nullopt;
  const auto* text = std::get_if<std::string>(&field->value);
  return text != nullptr ? std::optional(*text) : std::nullopt;
}

}  // namespace devbindd::sysfs

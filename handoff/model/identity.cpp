// SPDX-License-Identifier: Apache-2.0
#include "handoff/model/identity.hpp"

#include <array>
#include <cstdio>

namespace devbindd::handoff {
namespace {

std::string difference(const std::string& what, const std::string& expected, const std::string& found) {
  return "another device is there now: its " + what + " is " + found + " and not " + expected;
}

std::string four_digits(std::uint16_t id) {
  std::array<char, 8> text{};
  std::snprintf(text.data(), text.size(), "%04x", unsigned{id});
  return text.data();
}

}  // namespace

std::string mismatch(const Identity& expected, const sysfs::Device& device) {
  struct Compared {
    std::string what;
    std::optional<std::uint16_t> expected;
    std::uint16_t found;
  };
  for (const auto& [what, wanted, found] :
       {Compared{"vendor", expected.vendor, device.vendor}, Compared{"device ID", expected.device, device.device},
        Compared{"subsystem vendor", expected.subsystem_vendor, device.subsystem_vendor},
        Compared{"subsystem ID", expected.subsystem_device, device.subsystem_device}}) {
    if (wanted && *wanted != found) return difference(what, four_digits(*wanted), four_digits(found));
  }
  return {};
}

std::string mismatch_of_serial(const Identity& expected, const std::optional<std::string>& found) {
  if (!expected.serial || expected.serial == found) return {};
  return difference("serial number", *expected.serial, found.value_or("not there"));
}

}  // namespace devbindd::handoff

// SPDX-License-Identifier: Apache-2.0
#include "sysfs/kernel/pci_address.hpp"

#include <array>
#include <cstdio>
#include <optional>

#include "sysfs/kernel/fields.hpp"

namespace devbindd::sysfs {
namespace {

std::optional<std::uint32_t> digits_from(std::string_view digits) { return number_from<std::uint32_t>(digits, 16); }

// "05:00.0", as lspci prints it in the first domain.
bool lacks_domain(std::string_view text) { return text.size() == 7 && text[2] == ':' && text[5] == '.'; }

std::unexpected<Error> not_an_address(std::string_view text) {
  return fail(ErrorCode::InvalidAddress,
              "'" + std::string(text.substr(0, 64)) +
                  "' is not a PCI address: expected domain:bus:device.function in hex, such as " +
                  (lacks_domain(text) ? "0000:" + std::string(text) : "0000:05:00.0"));
}

}  // namespace

Result<PciAddress> parse_pci_address(std::string_view text) {
  const auto colon = text.find(':');
  if (colon == std::string_view::npos || colon < 4 || colon > 8 || text.size() != colon + 8) {
    return not_an_address(text);
  }
  if (colon > 4 && text.front() == '0') return not_an_address(text);
  if (text[colon + 3] != ':' || text[colon + 6] != '.') return not_an_address(text);
  const auto domain = digits_from(text.substr(0, colon));
  const auto bus = digits_from(text.substr(colon + 1, 2));
  const auto slot = digits_from(text.substr(colon + 4, 2));
  const auto function = digits_from(text.substr(colon + 7, 1));
  if (!domain || !bus || !slot || !function || *slot > 0x1f || *function > 7) return not_an_address(text);
  return PciAddress{*domain, static_cast<std::uint8_t>(*bus), static_cast<std::uint8_t>(*slot),
                    static_cast<std::uint8_t>(*function)};
}

std::string to_string(const PciAddress& address) {
  std::array<char, 24> buffer{};
  const int length = std::snprintf(buffer.data(), buffer.size(), "%04x:%02x:%02x.%x", address.domain,
                                   unsigned{address.bus}, unsigned{address.slot}, unsigned{address.function});
  return {buffer.data(), static_cast<std::size_t>(length)};
}

}  // namespace devbindd::sysfs

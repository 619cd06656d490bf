#include "sysfs/sriov.hpp"

#include <charconv>

#include "sysfs/paths.hpp"

namespace devbindd::sysfs {
namespace {

unsigned number(const Tree& tree, const PciAddress& address, std::string_view name) {
  const auto text = tree.read(paths::attribute(address, name)).value_or("");
  unsigned value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc{} && end == text.data() + text.size() ? value : 0;
}

}  // namespace

// "pci:v00008086d000010C9sv...": the device ID is the eight digits behind the vendor's.
std::string function_modalias(const Tree& tree, const Device& physical) {
  constexpr std::size_t place = 14;
  const auto id = tree.read(paths::attribute(physical.address, "sriov_vf_device")).value_or("");
  const bool hex = !id.empty() && id.size() <= 4 && id.find_first_not_of("0123456789abcdef") == std::string::npos;
  auto modalias = physical.modalias;
  if (!hex || modalias.size() < place + 8) return {};
  std::string digits = std::string(8 - id.size(), '0') + id;
  for (auto& digit : digits) digit = digit >= 'a' ? static_cast<char>(digit - 'a' + 'A') : digit;
  return modalias.replace(place, digits.size(), digits);
}

std::optional<Sriov> read_sriov(const Tree& tree, const Device& device) {
  if (!device.sriov_totalvfs) return std::nullopt;
  return Sriov{
      .total = *device.sriov_totalvfs,
      .offset = number(tree, device.address, "sriov_offset"),
      .stride = number(tree, device.address, "sriov_stride"),
      .autoprobe = tree.read(paths::attribute(device.address, "sriov_drivers_autoprobe")).value_or("1") != "0"};
}

std::optional<PciAddress> function_address(const PciAddress& physical, const Sriov& sriov, unsigned index) {
  const std::uint64_t own = physical.bus * 256U + physical.slot * 8U + physical.function;
  const std::uint64_t routing_id = own + sriov.offset + std::uint64_t{sriov.stride} * index;
  const bool distinct = sriov.offset > 0 && (index == 0 || sriov.stride > 0);
  if (!distinct || routing_id > 0xffff) return std::nullopt;
  return PciAddress{.domain = physical.domain,
                    .bus = static_cast<std::uint8_t>(routing_id >> 8U),
                    .slot = static_cast<std::uint8_t>((routing_id >> 3U) & 0x1fU),
                    .function = static_cast<std::uint8_t>(routing_id & 7U)};
}

}  // namespace devbindd::sysfs

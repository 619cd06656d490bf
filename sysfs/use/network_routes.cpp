// SPDX-License-Identifier: Apache-2.0
#include "sysfs/use/network_routes.hpp"

#include <algorithm>
#include <cerrno>
#include <optional>
#include <sstream>

#include "sysfs/kernel/fields.hpp"

namespace devbindd::sysfs {
namespace {

constexpr std::size_t max_route_bytes = 8U << 20U;  // a full BGP table has about 1e6 lines; the main facts come first

template <class Visit>
void for_each_line(std::string_view text, Visit visit) {
  while (!text.empty()) {
    const auto end = std::min(text.find('\n'), text.size());
    visit(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
}

std::optional<std::uint32_t> hex_word(std::string_view text) { return number_from<std::uint32_t>(text, 16); }

constexpr std::uint32_t flag_up = 0x1;

// Iface Destination Gateway Flags RefCnt Use Metric Mask ...; addresses are the bytes as a little-endian number.
void add_ipv4(std::string_view line, Routes& routes) {
  const auto field = words_of(line);
  if (field.size() < 8 || field[0] == "Iface" || field[0] == "*") return;
  const auto destination = hex_word(field[1]);
  const auto flags = hex_word(field[3]);
  const auto mask = hex_word(field[7]);
  if (!destination || !flags || !mask) return;
  const bool link_local = (*destination & 0xffffU) == 0xfea9U;
  if (!link_local) routes.routed_interfaces.emplace(field[0]);
  if (*destination == 0 && *mask == 0 && (*flags & flag_up) != 0) routes.default_interfaces.emplace(field[0]);
}

// destination prefix-length source prefix-length next-hop metric refcount use flags interface
void add_ipv6(std::string_view line, Routes& routes) {
  const auto field = words_of(line);
  if (field.size() < 10 || field[9] == "lo") return;
  const auto flags = hex_word(field[8]);
  const bool any = std::ranges::all_of(field[0], [](char c) { return c == '0'; }) && field[1] == "00";
  if (any && flags && (*flags & flag_up) != 0) routes.default_interfaces.emplace(field[9]);
}

Result<std::string> read_or_empty(const Tree& tree, std::string_view path) {
  auto content = tree.read(path, max_route_bytes);
  if (!content && content.error().errno_value == ENOENT) return std::string{};
  return content;
}

}  // namespace

Routes parse_routes(std::string_view ipv4, std::string_view ipv6) {
  Routes routes;
  for_each_line(ipv4, [&routes](std::string_view line) { add_ipv4(line, routes); });
  for_each_line(ipv6, [&routes](std::string_view line) { add_ipv6(line, routes); });
  return routes;
}

Result<Routes> read_routes(const Tree& tree) {
  auto ipv4 = read_or_empty(tree, "proc/net/route");
  if (!ipv4) return std::unexpected(ipv4.error());
  auto ipv6 = read_or_empty(tree, "proc/net/ipv6_route");
  if (!ipv6) return std::unexpected(ipv6.error());
  return parse_routes(*ipv4, *ipv6);
}

}  // namespace devbindd::sysfs

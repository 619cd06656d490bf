// SPDX-License-Identifier: Apache-2.0
// /proc/net/route and /proc/net/ipv6_route.
#include "sysfs/use/network_routes.hpp"

#include "tests/fuzz/fuzz.hpp"

using namespace devbindd;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto text = fuzz::text_of(data, size);
  const auto middle = text.find('\0');
  const auto ipv6 = middle == std::string_view::npos ? std::string_view{} : text.substr(middle + 1);
  const auto routes = sysfs::parse_routes(text.substr(0, middle), ipv6);
  for (const auto& name : routes.default_interfaces)
    fuzz::must(!name.empty() && name.find_first_of(" \t\n") == std::string::npos);
  for (const auto& name : routes.routed_interfaces)
    fuzz::must(!name.empty() && name.find_first_of(" \t\n") == std::string::npos);
  return 0;
}

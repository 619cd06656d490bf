// See fake_usage.hpp.
#include "tests/fake_usage.hpp"

#include <algorithm>
#include <map>

#include "sysfs/network_routes.hpp"
#include "sysfs/paths.hpp"

namespace devbindd::tests {
namespace {

std::string parent_of(const sysfs::Tree& tree, const std::string& interface) {
  const auto devices = tree.list(sysfs::paths::devices);
  for (const auto& device : devices ? *devices : std::vector<std::string>{}) {
    if (sysfs::exists(tree, sysfs::paths::devices + "/" + device + "/net/" + interface)) return device;
  }
  return {};
}

sysfs::Result<sysfs::NetworkState> fake_network(const sysfs::Tree& tree) {
  auto names = tree.list("sys/class/net");
  if (!names) return std::unexpected(names.error());
  const auto routes = sysfs::read_routes(tree);
  if (!routes) return std::unexpected(routes.error());
  std::map<std::string, int> numbers;
  for (const auto& name : *names) numbers.emplace(name, static_cast<int>(numbers.size()) + 1);
  sysfs::NetworkNamespace own;
  for (const auto& name : *names) {
    own.interfaces.push_back({.index = numbers[name],
                              .name = name,
                              .up = true,
                              .parent_device = parent_of(tree, name),
                              .default_route = routes->default_interfaces.contains(name)});
  }
  for (const auto& lower : *names) {
    const auto entries = tree.list("sys/class/net/" + lower);
    for (const auto& entry : entries ? *entries : std::vector<std::string>{}) {
      const auto upper = std::ranges::find(own.interfaces, entry.starts_with("upper_") ? entry.substr(6) : "",
                                           &sysfs::NetworkInterface::name);
      if (upper != own.interfaces.end()) upper->lower = numbers[lower];
    }
  }
  return sysfs::NetworkState{.namespaces = {std::move(own)}};
}

}  // namespace

handoff::UsageSeams fake_usage_seams() {
  return {.network = fake_network,
          .block = {.open_exclusive = [](const std::string&) { return 0; },
                    .signature = [](const std::string&) { return std::optional<std::string>{}; }}};
}

}  // namespace devbindd::tests

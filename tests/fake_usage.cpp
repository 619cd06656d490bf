// SPDX-License-Identifier: Apache-2.0
// See fake_usage.hpp.
#include "tests/fake_usage.hpp"

#include <algorithm>
#include <map>

#include "sysfs/kernel/fields.hpp"
#include "sysfs/kernel/paths.hpp"
#include "sysfs/use/network_routes.hpp"
#include "sysfs/use/network_stack.hpp"

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
  sysfs::add_uppers(tree, own.interfaces);
  return sysfs::NetworkState{.namespaces = {std::move(own)}};
}

}  // namespace

sysfs::Result<sysfs::AlternativeNames> fake_alternative_names(const sysfs::Tree& tree) {
  const auto text = tree.read("fake/alternative_names").value_or("");
  sysfs::AlternativeNames names;
  for (const auto line : sysfs::lines_of(text)) {
    const auto words = sysfs::words_of(line);
    for (std::size_t at = 1; at < words.size(); ++at) names[std::string(words[0])].emplace_back(words[at]);
  }
  return names;
}

handoff::UsageSeams fake_usage_seams() {
  return {.network = fake_network,
          .block = {.open_exclusive = [](const std::string&) { return 0; },
                    .signature = [](const std::string&) { return std::optional<std::string>{}; }}};
}

}  // namespace devbindd::tests

#include "handoff/usage.hpp"

#include <algorithm>
#include <iterator>

#include "sysfs/block_probe.hpp"
#include "sysfs/descendants.hpp"
#include "sysfs/display_use.hpp"
#include "sysfs/function_nodes.hpp"
#include "sysfs/mounts.hpp"
#include "sysfs/network_use.hpp"
#include "sysfs/open_nodes.hpp"
#include "sysfs/usb_use.hpp"

namespace devbindd::handoff {
namespace {

using Uses = std::vector<sysfs::Use>;

template <class Item>
void append(std::vector<Item>& all, std::vector<Item> more) {
  std::ranges::move(more, std::back_inserter(all));
}

bool has_host_driver(const sysfs::Device& device) { return device.driver.has_value() && !sysfs::is_vfio_bound(device); }

// The names by which network interfaces know that they belong to the function: its own and those of bus devices below.
std::vector<std::string> parents_of(const sysfs::PciAddress& address,
                                    const std::vector<sysfs::Descendant>& descendants) {
  std::vector<std::string> parents = {sysfs::to_string(address)};
  for (const auto& found : descendants) {
    if (found.on_bus) parents.push_back(found.name);
  }
  return parents;
}

// Asking every network namespace takes long on a host with hundreds of containers. An interface that was moved away
// leaves no trace in sysfs, so that only what is never a network card is spared.
bool may_have_interfaces(const sysfs::Device& device, const std::vector<sysfs::Descendant>& descendants) {
  const auto category = sysfs::category(device);
  if (category != "storage" && category != "display" && category != "sound") return true;
  return std::ranges::any_of(descendants, [](const sysfs::Descendant& found) { return found.subsystem == "net"; });
}

// A PF together with its VFs: what all of them need is read once, and only when one needs it.
struct Search {
  const sysfs::Tree& tree;
  const UsageSeams& seams;
  const std::optional<std::string>& client;
  std::optional<sysfs::NetworkState> network = {};
  std::optional<sysfs::MountTable> mounts = {};
  Uses uses = {};
  std::vector<sysfs::OwnedNode> nodes = {};

  void add_prefixed(Uses found, const std::vector<std::string>& prefix) {
    for (auto& use : found) use.path.insert(use.path.begin(), prefix.begin(), prefix.end());
    append(uses, std::move(found));
  }

  void add_nodes(std::vector<sysfs::OwnedNode> found, const std::vector<std::string>& prefix) {
    for (auto& node : found) node.path.insert(node.path.begin(), prefix.begin(), prefix.end());
    append(nodes, std::move(found));
  }

  sysfs::Result<> look_at(const sysfs::Device& device, const std::vector<std::string>& prefix) {
    const auto path = device.sysfs_path.substr(device.sysfs_path.starts_with('/') ? 1 : 0);
    if (!has_host_driver(device)) {
      add_prefixed(sysfs::display_uses(tree, path, {}), prefix);
      return {};
    }
    const auto descendants = sysfs::descendants_of(tree, path);
    if (auto done = look_at_network(device, descendants, prefix); !done) return done;
    look_at_blocks(descendants, prefix);
    add_prefixed(sysfs::display_uses(tree, path, descendants), prefix);
    add_prefixed(sysfs::usb_uses(tree, descendants), prefix);
    add_nodes(sysfs::function_nodes(tree, device.address, descendants), prefix);
    return {};
  }

  sysfs::Result<> look_at_network(const sysfs::Device& device, const std::vector<sysfs::Descendant>& descendants,
                                  const std::vector<std::string>& prefix) {
    if (!may_have_interfaces(device, descendants)) return {};
    if (!network) {
      auto state = seams.network(tree);
      if (!state) return std::unexpected(state.error());
      network = std::move(*state);
    }
    const auto parents = parents_of(device.address, descendants);
    add_prefixed(sysfs::network_uses(*network, parents, client), prefix);
    const bool card = sysfs::category(device) == "network";
    if (card && network->others_unknown && !sysfs::has_interface(*network, parents))
      add_prefixed({{.kind = sysfs::UseKind::OtherNamespace}}, prefix);
    return {};
  }

  void look_at_blocks(const std::vector<sysfs::Descendant>& descendants, const std::vector<std::string>& prefix) {
    const auto is_block = [](const sysfs::Descendant& found) { return found.subsystem == "block"; };
    if (std::ranges::none_of(descendants, is_block)) return;
    if (!mounts) mounts = sysfs::read_mount_table(tree);
    auto found = sysfs::block_uses(tree, descendants, *mounts, seams.block);
    add_prefixed(std::move(found.uses), prefix);
    add_nodes(std::move(found.nodes), prefix);
  }
};

}  // namespace

UsageSeams real_usage_seams() { return {&sysfs::read_network_state, sysfs::real_block_seams()}; }

sysfs::Result<std::vector<sysfs::Use>> find_uses(const sysfs::Tree& tree, const sysfs::Device& device,
                                                 const UsageSeams& seams,
                                                 const std::optional<std::string>& client_local_address) {
  Search search{tree, seams, client_local_address};
  if (auto done = search.look_at(device, {}); !done) return std::unexpected(done.error());
  for (const auto& address : device.virtfns) {
    const auto function = sysfs::read_device(tree, address);
    if (!function) continue;  // gone meanwhile
    if (auto done = search.look_at(*function, {sysfs::to_string(address)}); !done) return std::unexpected(done.error());
  }
  auto open = sysfs::open_uses(tree, search.nodes);
  if (!open) return std::unexpected(open.error());
  append(search.uses, std::move(*open));
  return std::move(search.uses);
}

}  // namespace devbindd::handoff

// SPDX-License-Identifier: Apache-2.0
// What several rules need of the host and of one function, read once (usage_rules.hpp).
#include <algorithm>
#include <utility>

#include "handoff/usage/usage_rules.hpp"
#include "sysfs/use/function_nodes.hpp"
#include "sysfs/use/network_use.hpp"
#include "sysfs/use/socket_owners.hpp"

namespace devbindd::handoff {
namespace {

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

}  // namespace

sysfs::Result<const sysfs::NetworkState*> UsageHost::network() {
  if (!network_) {
    auto state = seams_.network(tree_);
    if (!state) return std::unexpected(state.error());
    network_ = std::move(*state);
  }
  return &*network_;
}

sysfs::Result<> UsageHost::add_hidden_namespaces() {
  if (!network_ || !seams_.hidden_namespaces || hidden_namespaces_added_) return {};
  hidden_namespaces_added_ = true;
  return seams_.hidden_namespaces(tree_, *network_);
}

void UsageHost::add_what_runs() {
  if (!network_ || !seams_.what_runs || std::exchange(what_runs_added_, true)) return;
  seams_.what_runs(tree_, *network_);
}

const sysfs::MountTable& UsageHost::mounts() {
  if (!mounts_) mounts_ = sysfs::read_mount_table(tree_);
  return *mounts_;
}

FunctionFacts::FunctionFacts(UsageHost& host, const sysfs::Device& device)
    : host_(host),
      device_(device),
      path_(device.sysfs_path.substr(device.sysfs_path.starts_with('/') ? 1 : 0)),
      descendants_(has_host_driver(device) ? sysfs::descendants_of(host.tree(), path_)
                                           : std::vector<sysfs::Descendant>{}) {}

// Asking every network namespace takes long on a host with hundreds of containers. An interface that was moved away
// leaves no trace in sysfs, so that only what is never a network card is spared.
bool FunctionFacts::may_have_interfaces() const {
  if (!has_host_driver(device_)) return false;
  const auto category = sysfs::category(device_);
  if (category != "storage" && category != "display" && category != "sound") return true;
  return std::ranges::any_of(descendants_, [](const sysfs::Descendant& found) { return found.subsystem == "net"; });
}

// The kernel makes a directory "net" for the interfaces of a device. It stays as long as there is one, in whatever
// namespace, and shows those of this one: drivers/base/core.c, cleanup_glue_dir; net/core/net-sysfs.c.
bool FunctionFacts::has_hidden_interface() const {
  const auto is_interface = [](const sysfs::Descendant& found) { return found.subsystem == "net"; };
  if (std::ranges::any_of(descendants_, is_interface)) return false;
  const auto has_directory = [this](const std::string& path) { return sysfs::exists(tree(), path + "/net"); };
  return has_directory(path_) || std::ranges::any_of(descendants_, [&](const sysfs::Descendant& found) {
           return found.on_bus && has_directory(found.path);
         });
}

sysfs::Result<const std::vector<sysfs::Use>*> FunctionFacts::network_uses() {
  if (!network_ && !may_have_interfaces()) network_.emplace();
  if (network_) return &*network_;
  const auto state = host_.network();
  if (!state) return std::unexpected(state.error());
  const auto parents = parents_of(device_.address, descendants_);
  const bool card = sysfs::category(device_) == "network";
  bool has_interface = sysfs::has_interface(**state, parents);
  const bool hidden = !has_interface && has_hidden_interface();
  if ((card && !has_interface) || hidden) {
    if (auto done = host_.add_hidden_namespaces(); !done) return std::unexpected(done.error());
    has_interface = sysfs::has_interface(**state, parents);
  }
  if (has_interface) host_.add_what_runs();
  network_ = sysfs::network_uses(**state, parents, host_.client());
  if (hidden && !has_interface) {
    network_->push_back({.kind = sysfs::UseKind::OtherNamespace, .subject = std::string(sysfs::hidden_interface)});
  } else if (card && (*state)->others_unknown && !has_interface) {
    network_->push_back({.kind = sysfs::UseKind::OtherNamespace});
  }
  sysfs::add_socket_owners(tree(), *network_);
  return &*network_;
}

sysfs::Result<std::string> FunctionFacts::namespace_gap() {
  if (!may_have_interfaces()) return std::string{};
  const auto state = host_.network();
  if (!state) return std::unexpected(state.error());
  return (*state)->others_unknown ? std::string("not every other network namespace could be entered") : std::string{};
}

sysfs::Result<std::string> FunctionFacts::session_gap() {
  if (!may_have_interfaces()) return std::string{};
  const auto state = host_.network();
  if (!state) return std::unexpected(state.error());
  std::string text;
  const auto add = [&text](const std::string& gap) { text += (text.empty() ? "" : ", ") + gap; };
  for (const auto& gap : (*state)->gaps) add(gap);
  if ((*state)->namespaces.empty()) return text;
  for (const auto& interface : (*state)->namespaces.front().interfaces) {
    if (interface.xdp_program) add("what the XDP program of " + interface.name + " sends into other interfaces");
  }
  return text;
}

const sysfs::BlockUse& FunctionFacts::block_use() {
  if (block_) return *block_;
  const auto is_block = [](const sysfs::Descendant& found) { return found.subsystem == "block"; };
  block_ = std::ranges::any_of(descendants_, is_block)
               ? sysfs::block_uses(tree(), descendants_, host_.mounts(), host_.seams().block)
               : sysfs::BlockUse{};
  return *block_;
}

const std::vector<sysfs::OwnedNode>& FunctionFacts::character_nodes() {
  if (!nodes_) nodes_ = sysfs::function_nodes(tree(), device_.address, descendants_);
  return *nodes_;
}

}  // namespace devbindd::handoff

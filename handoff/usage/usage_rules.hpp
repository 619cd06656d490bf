// SPDX-License-Identifier: Apache-2.0
// The rules by which the uses of a PCI function are looked for, one for each kind of use. A further kind is one line in
// the table of usage_rules.cpp, and a reader of its own in sysfs/. Not here: who runs them (usage.hpp), and what a use
// means (usage_evidence.cpp).
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "handoff/usage/usage.hpp"
#include "sysfs/device/descendants.hpp"
#include "sysfs/use/mounts.hpp"
#include "sysfs/use/open_nodes.hpp"

namespace devbindd::handoff {

/// Facts of the host that several rules and functions need: read once, and only when a rule asks.
class UsageHost {
 public:
  UsageHost(const sysfs::Tree& tree, const UsageSeams& seams, const std::optional<std::string>& client_local_address)
      : tree_(tree), seams_(seams), client_(client_local_address) {}

  const sysfs::Tree& tree() const { return tree_; }
  const UsageSeams& seams() const { return seams_; }
  const std::optional<std::string>& client() const { return client_; }
  /// Error: as the seam's.
  sysfs::Result<const sysfs::NetworkState*> network();
  /// Adds the namespaces to it that take long to be found, once. Error: as the seam's.
  sysfs::Result<> add_hidden_namespaces();
  /// Adds what runs on interfaces, once.
  void add_what_runs();
  const sysfs::MountTable& mounts();

 private:
  const sysfs::Tree& tree_;
  const UsageSeams& seams_;
  const std::optional<std::string>& client_;
  std::optional<sysfs::NetworkState> network_ = {};
  bool hidden_namespaces_added_ = false;
  bool what_runs_added_ = false;
  std::optional<sysfs::MountTable> mounts_ = {};
};

/// One function, with what several rules need of it: read once, and only when a rule asks.
class FunctionFacts {
 public:
  FunctionFacts(UsageHost& host, const sysfs::Device& device);

  UsageHost& host() { return host_; }
  const sysfs::Tree& tree() const { return host_.tree(); }
  const sysfs::Device& device() const { return device_; }
  const std::string& path() const { return path_; }  ///< for Tree: "sys/devices/pci0000:00/..."
  /// What the kernel has made below it; nothing where no driver of the host has the function.
  const std::vector<sysfs::Descendant>& descendants() const { return descendants_; }
  /// What network_use.hpp finds; nothing for a function that cannot have an interface. Error: as UsageHost::network.
  sysfs::Result<const std::vector<sysfs::Use>*> network_uses();
  /// Why not all of its interfaces and what stands on them could be seen; "" for all, or where it can have none.
  sysfs::Result<std::string> namespace_gap();
  /// Why not all sessions and sockets on its interfaces could be seen; "" as above.
  sysfs::Result<std::string> session_gap();
  const sysfs::BlockUse& block_use();
  const std::vector<sysfs::OwnedNode>& character_nodes();

 private:
  bool may_have_interfaces() const;
  bool has_hidden_interface() const;

  UsageHost& host_;
  const sysfs::Device& device_;
  std::string path_;
  std::vector<sysfs::Descendant> descendants_ = {};
  std::optional<std::vector<sysfs::Use>> network_ = {};
  std::optional<sysfs::BlockUse> block_ = {};
  std::optional<std::vector<sysfs::OwnedNode>> nodes_ = {};
};

/// What one rule finds at one function.
struct Look {
  std::vector<sysfs::Use> uses = {};
  std::vector<sysfs::OwnedNode> nodes = {};       ///< a process that has one of them open is a use that this rule finds
  std::vector<sysfs::OwnedMemory> memories = {};  ///< likewise a process that has it mapped
  std::string not_visible = {};                   ///< what could not be seen and why, a clause; "" where all could be
};

struct Rule {
  std::string_view name;    ///< stable, on the wire
  std::string_view source;  ///< where the kernel shows it, one sentence
  /// Error: nothing is known about any use of the device then.
  std::function<sysfs::Result<Look>(FunctionFacts&)> look;
};

/// The name of the rule for memory that a process has mapped: the one that counts whatever driver the device has.
inline constexpr std::string_view mappings_rule_name = "mappings";

/// In the order in which they are looked at and told.
const std::vector<Rule>& usage_rules();

}  // namespace devbindd::handoff

// SPDX-License-Identifier: Apache-2.0
// Who may use a claim's nodes: its owners from its beginning on, also where udev makes them anew, and at its end again
// those who could before it. Not here: how an ACL is changed (vfio/node_access.hpp).
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "handoff/claim/access_queue.hpp"
#include "handoff/claim/claim_records.hpp"
#include "handoff/claim/claim_table.hpp"
#include "handoff/operation/engine.hpp"
#include "vfio/nodes.hpp"

namespace devbindd::handoff {

class ClaimNodeAccess {
 public:
  using Done = std::function<void(sysfs::Result<>)>;

  ClaimNodeAccess(Engine& engine, ClaimTable& claims, const ClaimRecords& records);

  /// Finds out, before any node is opened, which owners have access already, and stores it: what the claim gives is
  /// what its end takes. Errors: those of reading the devices; Overdue; Kernel; JournalFailed.
  void note_earlier(const std::string& id, Done done);
  /// Opens the nodes to the owners, where the claim is still made or active when its turn comes. Errors: as above.
  void grant(const std::string& id, Done done);
  /// Closes the nodes to the owners. What they have open stays open. Errors: as above.
  void revoke(const std::string& id, Done done);
  /// Opens the nodes of every active claim once more, since udev may have made some anew.
  void grant_all();

 private:
  AccessQueue::Tasks<ChangeAccess> changes_for(const Claim& claim, AccessChange change) const;
  sysfs::Result<std::vector<vfio::Node>> nodes_of(const Claim& claim, bool of_another_card) const;
  vfio::Grantees to_lose(const vfio::Node& node, const Claim& claim) const;
  std::vector<EarlierAccess> earlier_access(const Claim& claim, const std::vector<vfio::Node>& nodes,
                                            const std::vector<vfio::Grantees>& found) const;

  Engine& engine_;
  ClaimTable& claims_;
  const ClaimRecords& records_;
  AccessQueue queue_;
};

}  // namespace devbindd::handoff

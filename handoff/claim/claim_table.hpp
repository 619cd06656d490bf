// SPDX-License-Identifier: Apache-2.0
// All claims that are known, each with what this daemon alone knows of it: one object for one claim. Passive: nothing
// is written and nothing is called from here, but for those who wait for a claim. Not here: what happens to a claim
// (claim_setup.hpp, claim_release.hpp), what is kept of it (claim_records.hpp).
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "handoff/claim/claim_run.hpp"
#include "handoff/model/claim.hpp"

namespace devbindd::handoff {

/// How many claims may hold devices at once.
constexpr std::size_t max_claims = 1024;

/// Which claim holds what.
struct HeldDevices {
  std::map<sysfs::PciAddress, std::string> devices = {};
  std::map<unsigned, std::string> groups = {};  ///< IOMMU groups of which a claim holds a device
};

class ClaimTable {
 public:
  /// nullptr when there is none.
  Claim* find(const std::string& id);
  const Claim* find(const std::string& id) const;
  /// Of a claim that is known to be there.
  Claim& at(const std::string& id) { return entries_.at(id).claim; }
  const Claim& at(const std::string& id) const { return entries_.at(id).claim; }
  ClaimRun& run_of(const std::string& id) { return entries_.at(id).run; }
  const ClaimRun& run_of(const std::string& id) const { return entries_.at(id).run; }

  /// Oldest first; one that has ended has moved to the end.
  const std::vector<std::string>& ids() const { return order_; }
  std::vector<const Claim*> all() const;

  bool is_full() const { return holding_.size() >= max_claims; }
  /// The id of the claim that holds the device, or "".
  std::string holder_of(const sysfs::Device& device) const;
  HeldDevices held() const;
  /// Counts changes of which claim holds what.
  std::uint64_t generation() const { return generation_; }
  /// The claim that the requester's idempotency key stands for; nullptr when there is none.
  const Claim* with_key(const ClaimRequest& request, const Requester& requester) const;

  /// Takes the claim in, which holds its devices from now on, and gives it its fencing token.
  void add(Claim claim);
  /// Takes in one that an earlier daemon has made.
  void adopt(Claim claim);
  void remove(const std::string& id);

  /// The claim holds its devices no longer. Forgets the oldest of those that are over, except for those whose key is
  /// known; of these the oldest of a user who has too many loses its key. Gives those whose key stands no longer, which
  /// the journal keeps like any other from now on.
  std::vector<Claim> retire(const std::string& ended);

  /// Answers who has asked for the same claim again and waits until it is made.
  void answer_creators(const std::string& id);
  /// Answers who waits for the claim's end: it has come, or it takes long.
  void answer_releasers(const std::string& id);

 private:
  struct Entry {
    Claim claim;
    ClaimRun run = {};
  };

  std::map<std::string, Entry> entries_;
  std::vector<std::string> order_;
  std::set<std::string> holding_;  ///< ids of those that hold devices
  std::uint64_t last_token_ = 0;
  std::uint64_t generation_ = 1;
  mutable HeldDevices known_holders_ = {};  ///< as of the generation `known_of_`
  mutable std::uint64_t known_of_ = 0;
};

}  // namespace devbindd::handoff

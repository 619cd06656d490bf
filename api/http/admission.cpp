// SPDX-License-Identifier: Apache-2.0
#include "api/http/admission.hpp"

#include <functional>

namespace devbindd::api {
namespace {

/// The connections that count for one limit, and which of them has been idle for longest.
struct Counted {
  std::size_t count = 0;
  std::optional<std::size_t> idlest = {};
};

Counted tally(const std::vector<Connected>& present, const std::function<bool(const Connected&)>& counts) {
  Counted found;
  for (std::size_t at = 0; at < present.size(); ++at) {
    if (!counts(present[at])) continue;
    ++found.count;
    const auto& idle = present[at].idle_since;
    if (idle && (!found.idlest || *idle < *present[*found.idlest].idle_since)) found.idlest = at;
  }
  return found;
}

Admission in_place_of(const Counted& full, const std::string& why) {
  if (full.idlest) return AdmittedFor{*full.idlest};
  return TurnedAway{why + " are open, and none of them is idle: close some, or wait"};
}

Admission admit_reader(const std::vector<Connected>& present, const Connected& newcomer,
                       const ConnectionLimits& limits) {
  const auto of_user =
      tally(present, [&](const Connected& one) { return !one.trusted && one.uid && one.uid == newcomer.uid; });
  if (of_user.count >= limits.user)
    return in_place_of(of_user, std::to_string(of_user.count) + " connections of this user");
  const auto of_address = tally(present, [&](const Connected& one) {
    return !one.trusted && !one.address.empty() && one.address == newcomer.address;
  });
  if (of_address.count >= limits.address)
    return in_place_of(of_address, std::to_string(of_address.count) + " connections from " + newcomer.address);
  const auto of_transport =
      tally(present, [&](const Connected& one) { return !one.trusted && one.tcp == newcomer.tcp; });
  if (of_transport.count >= limits.transport)
    return in_place_of(of_transport, std::to_string(of_transport.count) + " connections of readers over " +
                                         (newcomer.tcp ? "TCP" : "the Unix socket"));
  const auto of_readers = tally(present, [](const Connected& one) { return !one.trusted; });
  if (of_readers.count + limits.reserve >= limits.all || present.size() >= limits.all)
    return in_place_of(of_readers, std::to_string(of_readers.count) + " connections of readers");
  return Admitted{};
}

}  // namespace

Admission admit(const std::vector<Connected>& present, const Connected& newcomer, const ConnectionLimits& limits) {
  if (!newcomer.trusted) return admit_reader(present, newcomer, limits);
  if (present.size() < limits.all) return Admitted{};
  const auto of_readers = tally(present, [](const Connected& one) { return !one.trusted; });
  if (of_readers.idlest) return AdmittedFor{*of_readers.idlest};
  return in_place_of(tally(present, [](const Connected&) { return true; }),
                     std::to_string(present.size()) + " connections");
}

}  // namespace devbindd::api

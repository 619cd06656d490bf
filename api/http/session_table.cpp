// SPDX-License-Identifier: Apache-2.0
#include "api/http/session_table.hpp"

#include <vector>

namespace devbindd::api {

void SessionTable::remove(OpenConnection& connection) {
  served_.erase(&connection);
  refused_.erase(&connection);
}

std::optional<std::string> SessionTable::make_room_for(const Connected& newcomer, const ConnectionLimits& limits) {
  const std::vector<OpenConnection*> present(served_.begin(), served_.end());
  std::vector<Connected> connected;
  connected.reserve(present.size());
  for (const auto* connection : present) connected.push_back(connection->connected());
  const auto admission = admit(connected, newcomer, limits);
  if (const auto* away = std::get_if<TurnedAway>(&admission)) return away->why;
  if (const auto* instead = std::get_if<AdmittedFor>(&admission)) present[instead->victim]->make_room();
  return std::nullopt;
}

// One that closes removes itself.
void SessionTable::close_idle() {
  auto open = served_;
  open.insert(refused_.begin(), refused_.end());
  for (auto* connection : open) connection->close_if_idle();
}

}  // namespace devbindd::api

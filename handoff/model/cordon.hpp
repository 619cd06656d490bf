// SPDX-License-Identifier: Apache-2.0
// That a device gets no new claims: who said so, when, and why. Passive.
#pragma once

#include <cstdint>
#include <string>

#include "handoff/model/operation.hpp"

namespace devbindd::handoff {

struct Cordon {
  std::uint16_t vendor = 0;  ///< of the device: another one at its address is not cordoned
  std::uint16_t device = 0;
  std::string reason = {};  ///< a person's words, "" for none
  TimePoint since;
  Requester requester = {};
};

}  // namespace devbindd::handoff

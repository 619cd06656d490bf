// SPDX-License-Identifier: Apache-2.0
#include "handoff/model/rule_outcome.hpp"

namespace devbindd::handoff {

std::string_view name_of(Outcome outcome) {
  switch (outcome) {
    case Outcome::Found: return "found";
    case Outcome::Nothing: return "nothing";
    case Outcome::NotVisible: return "not_visible";
  }
  return "not_visible";
}

}  // namespace devbindd::handoff

// SPDX-License-Identifier: Apache-2.0
// Operations made by hand, for the tests of the engine's parts.
#pragma once

#include <memory>
#include <string>

#include "handoff/model/operation.hpp"
#include "tests/handoff/requests.hpp"

namespace devbindd::tests {

/// An operation of the boot "boot-1" that takes the device from `before` to `after` ("" for no driver).
inline handoff::Operation operation(std::string id, std::string_view address, std::string_view before,
                                    std::string_view after,
                                    handoff::OperationState state = handoff::OperationState::Running) {
  const auto name = [](std::string_view driver) {
    return driver.empty() ? std::nullopt : std::optional(std::string(driver));
  };
  handoff::Operation made;
  made.id = std::move(id);
  made.boot_id = "boot-1";
  made.request = bind_request(address);
  made.state = state;
  handoff::Transition transition;
  transition.address = at(address);
  transition.driver_before = name(before);
  transition.driver_after = name(after);
  made.transitions.push_back(std::move(transition));
  return made;
}

inline std::shared_ptr<handoff::Operation> shared(handoff::Operation operation) {
  return std::make_shared<handoff::Operation>(std::move(operation));
}

}  // namespace devbindd::tests

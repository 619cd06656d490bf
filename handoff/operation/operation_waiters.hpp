// SPDX-License-Identifier: Apache-2.0
// Who waits for an operation: until it has settled, which is ended or blocked, or until it has ended.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "handoff/operation/operation_table.hpp"

namespace devbindd::handoff {

class OperationWaiters {
 public:
  using Ready = std::function<void()>;

  explicit OperationWaiters(const OperationTable& operations) : operations_(operations) {}

  /// Calls `ready` once, when the operation has ended or got blocked; at once if that is so now. `ready` may outlive
  /// its use.
  void when_settled(const std::string& id, Ready ready);
  /// Calls `ready` once, when the operation has ended; at once if it has. As long as the kernel takes.
  void when_ended(const std::string& id, Ready ready);

  /// Whoever changes the operation's state calls this, once the table shows it: those whom it concerns are called. An
  /// operation that is no longer among the running has ended.
  void changed(const std::string& id);

 private:
  using Waiting = std::map<std::string, std::vector<Ready>>;  ///< by the operation's id

  static void call(Waiting& waiting, const std::string& id);

  const OperationTable& operations_;
  Waiting for_settled_;
  Waiting for_end_;
};

}  // namespace devbindd::handoff

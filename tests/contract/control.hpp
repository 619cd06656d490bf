// SPDX-License-Identifier: Apache-2.0
// The channel through which a test hurts the contract daemon's kernel: one command in, one line out ("ok ...", "error
// ...").
//   fail-write N ERRNO            the N-th write from now fails          fail-reads PREFIX ERRNO, heal-reads
//   kernel-write FILE VALUE: as somebody else does
//   refuse-probe DRIVER BDF ERRNO    probe-lies DRIVER BDF               remove BDF, remove-before-write N BDF
//   block PATH [VALUE], unblock PATH [VALUE]                             open BDF PID COMMAND, close BDF
//   hold-overrides on|off         reading driver_override hangs while an unbind of the device does
//   not-ready [WORDS]             stop-accepting
//   fail-next throw|throw-later|forget|answer-twice    what the next request comes to
//   caught                        answers what was thrown last
//   audit DOCUMENT                a line of the audit, as it stands
//   start-policies                puts the one policy in force
//   process PID                   there is such a process now
//   end-process PID               it ends, and who watches it is told
//   grants PATH                   answers "ok u1000 g44": who may use the node by a claim
//   fail-access ERRNO|0           every change of a node's access fails  fail-open PATH ERRNO: the node does not open
//   binding BDF                   answers "ok DRIVER override OVERRIDE"
//   connections                   answers their number
//   asked                         answers how often the kernel was asked for a file, a link or a list
//   touched                       answers how many writes to the kernel and openings of VFIO nodes there were
#pragma once

#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "handoff/operation/engine.hpp"
#include "tests/contract/faulty_tree.hpp"
#include "tests/fake_workers.hpp"

namespace devbindd::tests {

class Control {
 public:
  Control(FakeKernel& kernel, FaultyTree& tree, FakeWorkers& workers, handoff::Engine& engine);

  /// Performs one command line and gives the line to answer.
  std::string perform(const std::string& line);

  const std::string& not_ready() const { return not_ready_; }
  enum class Failure { None, Throw, ThrowLater, Forget, AnswerTwice };
  /// What the next request comes to; once after each fail-next.
  Failure take_failure() { return std::exchange(next_failure_, Failure::None); }
  /// The daemon's thread has caught an exception.
  void caught(const std::string& what) { caught_ = what; }
  std::function<std::size_t()> connections;
  std::function<std::size_t()> nodes_opened;
  std::function<void()> start_policies;
  std::function<void(const std::string& path, int errno_value)> fail_open;
  sysfs::Result<std::function<void()>> watch_process(std::int32_t pid, std::function<void()> on_end);

 private:
  using Words = std::vector<std::string>;
  using Command = std::function<std::string(const Words&)>;

  void add_write_commands();
  void add_kernel_commands();
  void add_daemon_commands();

  FakeKernel& kernel_;
  FaultyTree& tree_;
  FakeWorkers& workers_;
  handoff::Engine& engine_;
  std::map<std::string, Command> commands_;
  std::string not_ready_;
  Failure next_failure_ = Failure::None;
  std::string caught_;
  std::map<std::int32_t, std::function<void()>> watched_;
};

}  // namespace devbindd::tests

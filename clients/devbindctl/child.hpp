// SPDX-License-Identifier: Apache-2.0
// The command of run: a process that waits until its claim is there, gets what the claim has for it, and then becomes
// the command. The claim is for this process, so that it ends with it, whatever becomes of devbindctl.
#pragma once

#include <sys/types.h>

#include <string>

#include "clients/devbindctl/options.hpp"
#include "clients/http/message.hpp"

namespace devbindd::clients {

class Child {
 public:
  /// Starts the process. Fails where the kernel gives none.
  static Result<Child> start(const Options& options);

  pid_t pid() const { return pid_; }

  /// Lets it go on with the claim; "" lets it end without having run the command.
  void let_go(const std::string& claim);

  /// Waits for its end, and hands on what would end devbindctl meanwhile (SIGTERM, SIGHUP). Gives the exit status, or
  /// 128 and the signal's number, as a shell does.
  int wait();

 private:
  Child(pid_t pid, Descriptor go) : pid_(pid), go_(std::move(go)) {}

  pid_t pid_ = -1;
  Descriptor go_;
};

}  // namespace devbindd::clients

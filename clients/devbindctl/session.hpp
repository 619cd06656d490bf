// SPDX-License-Identifier: Apache-2.0
// What every subcommand is given, and the list of them.
#pragma once

#include "clients/api/daemon.hpp"
#include "clients/devbindctl/options.hpp"
#include "clients/devbindctl/output.hpp"

namespace devbindd::clients {

struct Session {
  const Options& options;
  Daemon& daemon;
  const Output& output;
};

/// How a subcommand ended; run ends as its command did.
using Outcome = Result<int>;

inline Outcome done(ExitStatus status = ExitStatus::Done) { return static_cast<int>(status); }

// What there is (look_*.cpp).
Outcome status(Session& session);
Outcome show(Session& session);
Outcome claims(Session& session);
Outcome operations(Session& session);
Outcome audit(Session& session);
Outcome policy(Session& session);
Outcome doctor(Session& session);
Outcome whoami(Session& session);
Outcome events(Session& session);

// What changes something (change_commands.cpp, claim_commands.cpp, run_command.cpp).
Outcome bind(Session& session);
Outcome release(Session& session);
Outcome sriov(Session& session);
Outcome cordon(Session& session);
Outcome uncordon(Session& session);
Outcome acknowledge(Session& session);
Outcome claim(Session& session);
Outcome renew(Session& session);
Outcome handover(Session& session);
Outcome run(Session& session);

// What other tools call these (devbind.cpp, driverctl.cpp).
Outcome devbind(Session& session);
Outcome list_devices(Session& session);
Outcome list_overrides(Session& session);
Outcome set_override(Session& session);
Outcome unset_override(Session& session);

// For shells (completion.cpp).
Outcome completion(Session& session);
Outcome complete(Session& session);

}  // namespace devbindd::clients

// SPDX-License-Identifier: Apache-2.0
// The files by which container engines find the devices of claims (CDI): each active claim has one, where there is a
// directory for them. Not here: what is in them (api/render/cdi_files.hpp), and who writes them (privileged.hpp).
#pragma once

#include "daemon/privileged.hpp"
#include "handoff/claim/claims.hpp"
#include "handoff/operation/engine.hpp"

namespace devbindd::daemon {

/// Writes the claim's file. `done` gets what could not be read or written; a claim of devices that no engine can be
/// given has none.
void publish_claim(handoff::Engine& engine, Privileged& privileged, const handoff::Claim& claim, Privileged::Done done);

/// Takes the claim's file away.
void withdraw_claim(Privileged& privileged, const handoff::Claim& claim, Privileged::Done done);

/// Takes away those of claims that hold no device any more: an earlier daemon may have left them.
void keep_files_of(const handoff::Claims& claims, Privileged& privileged);

}  // namespace devbindd::daemon

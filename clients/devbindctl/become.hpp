// SPDX-License-Identifier: Apache-2.0
// What a claim has for the command of run: open descriptors, variables, words of its command line.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "clients/devbindctl/options.hpp"

namespace devbindd::clients {

/// In the child: takes the claim's descriptors (from number 3 on, as sd_listen_fds(3) has them), sets the variables,
/// and becomes the command. Returns only where that fails, with the exit status: 126, 127 as env(1), else 1 or 3.
int become_command(const Options& options, const std::string& claim);

/// Whether a word of the command is for what a program wants that opens the nodes itself: {qemu}, {dpdk}, {spdk},
/// {cloud-hypervisor}. An open group has one user, so that such a program is given no descriptors.
bool wants_handover(const std::vector<std::string>& command);

/// The command with {device}, {claim} and {fd:ROLE} replaced. `roles` are those of the descriptors, the first one for
/// number 3.
std::vector<std::string> with_values(const std::vector<std::string>& command, const nlohmann::json& claim,
                                     const std::vector<std::string>& roles);

}  // namespace devbindd::clients

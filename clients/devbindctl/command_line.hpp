// SPDX-License-Identifier: Apache-2.0
// What may stand on the command line, its help, and which function each subcommand is.
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "clients/devbindctl/session.hpp"

namespace devbindd::clients {

using Command = Outcome (*)(Session&);

struct Parsed {
  Options options;
  Command command = nullptr;
};

/// What to print instead of doing anything: help, the version, or a mistake.
struct Ended {
  ExitStatus status = ExitStatus::Done;
  std::string text;
};

/// Reads the words behind the program's name. What stands behind "--" is the command of run.
std::variant<Parsed, Ended> parse_command_line(const std::vector<std::string>& words);

/// The subcommands, or those below one ("driverctl").
std::vector<std::string> subcommand_names(const std::string& command);

/// The long options of a subcommand, and those of all.
std::vector<std::string> option_names(const std::string& command);

}  // namespace devbindd::clients

// SPDX-License-Identifier: Apache-2.0
// What words devbindctl takes: its subcommands with their options, and where each word goes. For command_line.cpp
// alone, since CLI11 costs every unit that includes it seconds.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "clients/devbindctl/command_line.hpp"

namespace devbindd::clients {

constexpr const char* default_socket = "/run/devbindd/devbindd.sock";

// The application and where its words go.
class CommandLine {
 public:
  // `first`: the first word. Where it is a subcommand, only the group of subcommands that has it is made: making all of
  // them takes longer than an answer of the daemon.
  explicit CommandLine(std::string_view first);
  CommandLine(const CommandLine&) = delete;
  CommandLine& operator=(const CommandLine&) = delete;

  CLI::App& app() { return app_; }
  Options options;
  Command command = nullptr;

 private:
  CLI::App& add(CLI::App& parent, const std::string& name, const std::string& what, Command function);
  void add_common();
  void add_looks();
  void add_events();
  void add_changes();
  void add_service();
  void add_claims();
  void add_run();
  void add_devbind();
  void add_driverctl();
  void add_completion();

  void target(CLI::App& app, const std::string& name, const std::string& what, bool required);
  void targets(CLI::App& app, const std::string& name, const std::string& what, int least);
  void change_options(CLI::App& app);
  void claim_options(CLI::App& app);
  void time_option(CLI::App& app, const std::string& name, std::optional<std::uint64_t>& where,
                   const std::string& what);

  CLI::App app_{"Moves PCI devices between their kernel driver and VFIO, by devbindd.", "devbindctl"};
};

}  // namespace devbindd::clients

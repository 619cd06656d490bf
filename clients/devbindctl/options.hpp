// SPDX-License-Identifier: Apache-2.0
// What the command line says.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace devbindd::clients {

enum class Format { Table, Wide, Json, Yaml, Name };

struct Options {
  // Of all subcommands.
  std::string socket;
  Format format = Format::Table;
  bool yes = false;
  bool progress = false;
  std::uint64_t wait_seconds = 30;

  std::string command;               ///< "bind", "driverctl list-devices"
  std::vector<std::string> targets;  ///< devices, groups, claims as they were written
  bool dry_run = false;
  std::vector<std::string> accept;  ///< codes of risks
  bool whole_group = false;
  std::string reason;  ///< of a cordon
  std::string driver;

  // Of status and of lists.
  std::vector<std::string> filters;  ///< name=value of the API's parameters
  std::vector<std::string> kinds;    ///< of events
  std::string since;                 ///< the id of an event

  std::optional<std::uint64_t> count;  ///< of virtual functions, of devices to claim, of lines

  // Of claim and run.
  std::vector<std::string> selector;  ///< name=value
  std::vector<std::string> match_labels;
  std::vector<std::string> labels;
  std::vector<std::string> users;
  std::vector<std::string> groups;
  std::optional<std::uint64_t> ttl_seconds;
  std::optional<std::uint64_t> grace_seconds;
  std::optional<std::uint64_t> pid;
  std::string reset;
  bool keep = false;  ///< the devices stay on VFIO when the claim ends
  bool when_closed = false;
  std::string handover;                     ///< a format
  std::string backend;                      ///< of a handover
  std::optional<std::uint64_t> dma_memory;  ///< bytes
  std::string descriptors = "auto";         ///< auto, group, cdev, none
  std::vector<std::string> child;           ///< the command of run

  // Of devbind.
  bool status = false;
  std::string status_of;
  std::string bind_to;
  bool unbind = false;
  bool force = false;

  bool no_autoprobe = false;
  bool verbose = false;
  std::string shell;
  std::vector<std::string> words;  ///< to be completed
};

}  // namespace devbindd::clients

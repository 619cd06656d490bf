// SPDX-License-Identifier: Apache-2.0
// What the handlers work with. Passive; owned by the daemon.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/context/answer_cache.hpp"
#include "api/context/answers_in_making.hpp"
#include "api/context/aside.hpp"
#include "api/context/denial_limit.hpp"
#include "api/context/event_feed.hpp"
#include "api/context/repeated.hpp"
#include "api/context/serial_numbers.hpp"
#include "api/context/turns.hpp"
#include "api/http/request_counts.hpp"
#include "handoff/claim/claims.hpp"
#include "handoff/journal/kept_answers.hpp"
#include "handoff/operation/engine.hpp"
#include "handoff/policy/policies.hpp"
#include "handoff/worker/worker_pool.hpp"
#include "sysfs/device/device_names.hpp"
#include "sysfs/firmware/firmware_structure.hpp"
#include "sysfs/iommu/firmware_log.hpp"
#include "sysfs/use/network_routes.hpp"

namespace devbindd::api {

/// The modules that match a modalias. Opening the module index costs 0.2 ms per device, so answers are kept for a
/// while; a depmod meanwhile shows half a minute late.
struct ModuleCache {
  std::chrono::steady_clock::time_point filled_at;
  std::map<std::string, std::vector<std::string>> modules;
};

/// What the firmware's tables say of groups. The tables cannot change before the next boot; what could not be read is
/// tried again after a while.
struct FirmwareCache {
  std::chrono::steady_clock::time_point filled_at;
  bool complete = false;
  std::optional<sysfs::FirmwareDescription> description;
};

/// The drivers for programs that are loaded now, as of a count of drivers and modules that came and went.
struct UserspaceDriverCache {
  std::optional<std::uint64_t> counted;
  std::vector<std::string> drivers;
};

/// The routes as of a count of changes of the network.
struct RouteCache {
  std::optional<std::uint64_t> counted;
  sysfs::Routes routes;
};

/// What the daemon's parts have to do at one moment, for those who watch the host.
struct ServiceUse {
  std::size_t connections = 0;
  handoff::WorkerUse workers = {};
  /// How often the kernel could not tell all that had happened, by what it tells of: "uevents".
  std::map<std::string_view, std::uint64_t> kernel_losses = {};
};

struct Context {
  handoff::Engine& engine;
  handoff::Claims& claims;
  const handoff::Policies& policies;
  handoff::KeptAnswers& kept_answers;
  EventFeed& events;
  const sysfs::DeviceNames& names;
  std::string version;
  std::string boot_id;
  std::string openapi;       ///< the contract, as it is served
  std::string openapi_json;  ///< the same as JSON
  bool read_only = false;
  std::chrono::seconds default_wait{30};  ///< how long a write waits for its operation before it answers 202
  /// Runs a function after a while, on the daemon's thread.
  std::function<void(std::chrono::milliseconds, std::function<void()>)> after;
  /// Whether the daemon can do its work now; "" or the reason why not.
  std::function<std::string()> not_ready;
  /// Runs the first function on another thread, and then the second one on the daemon's; without threads at once.
  Asides::RunAside run_aside = [](const std::function<void()>& work, const std::function<void()>& done) {
    work();
    done();
  };
  /// Asked for each /metrics.
  std::function<ServiceUse()> use = [] { return ServiceUse{}; };
  RequestCounts requests = {};
  DenialLimit denials = {};
  UnderWay under_way = {};
  ModuleCache module_cache = {};
  UserspaceDriverCache userspace_drivers = {};
  RouteCache route_cache = {};
  sysfs::FirmwareLog firmware_log = {};  ///< what the kernel has said at boot, as far as it was there at the start
  FirmwareCache firmware_cache = {};
  AnswerCache answers = {};
  AnswersInMaking answers_in_making = {};
  ItemCache items = {};
  SerialNumbers serial_numbers = {};
  Turns turns = {};
  Asides asides = {};
};

/// Of everything that the list of devices is made of, as far as has been taken in: after Engine::current().
Version version_of(const Context& context);

/// Works on an answer in turns with all others; see Turns::add().
void in_turns(Context& context, const Request& request, Turns::Step step);

}  // namespace devbindd::api

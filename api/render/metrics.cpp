// SPDX-License-Identifier: Apache-2.0
#include "api/render/metrics.hpp"

#include <array>
#include <map>
#include <utility>

#include "api/render/metrics_text.hpp"
#include "api/render/process_use.hpp"
#include "sysfs/device/device.hpp"

namespace devbindd::api {
namespace {

using enum MetricType;

bool has_drifted(const Context& context, const sysfs::Device& device) {
  const auto left_with = context.engine.originals().left_with(device);
  return left_with && handoff::is_drifted(device, *left_with, context.engine.operations());
}

void add_service(MetricsText& text, const Context& context) {
  text.family("devbindd_build_info", Gauge, "The version that runs; the value is 1.");
  text.add({{"version", context.version}}, 1);
  text.family("devbindd_read_only", Gauge, "1 for a daemon that never writes to the kernel.");
  text.add({}, context.read_only ? 1 : 0);
  text.family("devbindd_ready", Gauge, "1 as long as the daemon can do its work, as /readyz says.");
  text.add({}, context.not_ready().empty() ? 1 : 0);
}

void add_devices(MetricsText& text, Context& context) {
  (void)context.engine.current();  // where it cannot be read, devbindd_ready says so
  const auto& inventory = context.engine.services().inventory;
  std::map<std::pair<std::string_view, std::string_view>, std::size_t> counts;
  std::size_t drifted = 0;
  std::size_t cordoned = 0;
  for (const auto& [address, device] : inventory.devices()) {
    ++counts[{device.driver ? std::string_view(device.driver->text()) : "none", sysfs::category(device)}];
    cordoned += context.engine.cordons().find(device) != nullptr ? 1 : 0;
    drifted += has_drifted(context, device) ? 1 : 0;
  }
  text.family("devbindd_devices", Gauge, "PCI devices by their driver, none for those without one, and what they are.");
  for (const auto& [kind, count] : counts) text.add({{"driver", kind.first}, {"category", kind.second}}, count);
  text.family("devbindd_devices_drifted", Gauge, "Devices that somebody else has moved since devbindd bound them.");
  text.add({}, drifted);
  text.family("devbindd_devices_cordoned", Gauge, "Devices that get no new claims.");
  text.add({}, cordoned);
  text.family("devbindd_devices_touched", Gauge, "Devices that devbindd has changed and not given back.");
  text.add({}, context.engine.originals().all().size());
  text.family("devbindd_device_scans_total", Counter,
              "How often all devices were read, and not only those in the news.");
  text.add({}, inventory.scans());
}

void add_operations(MetricsText& text, const Context& context) {
  std::size_t blocked = 0;
  const auto& table = context.engine.operations();
  for (const auto& [id, operation] : table.running()) blocked += context.engine.operations().is_blocked(id) ? 1 : 0;
  text.family("devbindd_operations", Gauge, "Operations that have not ended; blocked: the kernel does not return.");
  text.add({{"state", "running"}}, table.running().size() - blocked);
  text.add({{"state", "blocked"}}, blocked);
  text.family("devbindd_operation_duration_seconds", Histogram,
              "Operations that have ended, by what they were and what came of them.");
  for (const auto& [kind, durations] : table.ended())
    text.add({{"kind", handoff::name_of(kind.first)}, {"outcome", handoff::name_of(kind.second)}}, durations);
  text.family("devbindd_refusals_total", Counter, "Changes and claims that were asked for and refused, by the cause.");
  for (const auto& [cause, count] : context.engine.refusals())
    text.add({{"kind", handoff::name_of(cause.first)}, {"code", sysfs::name_of(cause.second)}}, count);
  for (const auto& [code, count] : context.claims.refusals())
    text.add({{"kind", "claim"}, {"code", sysfs::name_of(code)}}, count);
}

void add_claims(MetricsText& text, const Context& context) {
  using enum handoff::ClaimState;
  std::map<handoff::ClaimState, std::size_t> counts;
  for (const auto state : {Preparing, Active, Releasing, Quarantined}) counts[state] = 0;
  for (const auto* claim : context.claims.all()) {
    if (const auto known = counts.find(claim->state); known != counts.end()) ++known->second;
  }
  text.family("devbindd_claims", Gauge, "Claims that hold devices, by their state.");
  for (const auto& [state, count] : counts) text.add({{"state", handoff::name_of(state)}}, count);
  text.family("devbindd_claim_resets_total", Counter, "Resets of devices at the end of their claim.");
  using enum handoff::ResetOutcome;
  const auto& resets = context.claims.resets();
  for (const auto outcome : {Done, Unavailable, Failed}) {
    const auto found = resets.find(outcome);
    text.add({{"outcome", handoff::name_of(outcome)}}, found == resets.end() ? 0 : found->second);
  }
}

void add_requests(MetricsText& text, const Context& context) {
  constexpr std::array<std::string_view, 5> classes{"1xx", "2xx", "3xx", "4xx", "5xx"};
  const auto& counts = context.requests.all();
  text.family("devbindd_http_requests_total", Counter,
              "Requests that were answered, by the pattern of their route; none: they reached no route.");
  for (const auto& [key, count] : counts) {
    for (std::size_t at = 0; at < classes.size(); ++at) {
      if (count.by_class[at] == 0) continue;
      text.add({{"route", key.first.empty() ? "none" : key.first}, {"method", key.second}, {"status", classes[at]}},
               count.by_class[at]);
    }
  }
  text.family("devbindd_http_request_duration_seconds", Histogram,
              "From the head of a request to its answer; waits that were asked for count.");
  for (const auto& [key, count] : counts)
    text.add({{"route", key.first.empty() ? "none" : key.first}, {"method", key.second}}, count.durations);
}

void add_use(MetricsText& text, const Context& context) {
  const auto use = context.use();
  text.family("devbindd_connections", Gauge, "Connections of clients that are open.");
  text.add({}, use.connections);
  text.family("devbindd_event_readers", Gauge, "Clients that follow the events.");
  text.add({}, context.events.followers());
  text.family("devbindd_events_total", Counter, "Events of this host that were told.");
  text.add({}, context.events.newest());
  text.family("devbindd_kernel_losses_total", Counter,
              "How often the kernel could not tell all that had happened: its queue was full.");
  for (const auto& [source, count] : use.kernel_losses) text.add({{"source", source}}, count);
  text.family("devbindd_workers", Gauge, "Worker processes; stuck: the kernel does not return from their task.");
  text.add({{"state", "idle"}}, use.workers.idle);
  text.add({{"state", "working"}}, use.workers.working);
  text.add({{"state", "stuck"}}, use.workers.stuck);
  text.family("devbindd_worker_lanes", Gauge, "Workers that operations have to themselves.");
  text.add({}, use.workers.lanes);
  text.family("devbindd_worker_tasks_waiting", Gauge, "Tasks that wait for a worker, by whose they are.");
  text.add({{"share", "readers"}}, use.workers.waiting_of_readers);
  text.add({{"share", "changers"}}, use.workers.waiting_of_changers);
  text.add({{"share", "upkeep"}}, use.workers.waiting_of_upkeep);
}

void add_journal(MetricsText& text, const Context& context) {
  const auto size = context.engine.services().journal.size();
  text.family("devbindd_journal_bytes", Gauge, "Size of the state database, as it was when this was asked for last.");
  text.add({}, size.bytes);
  text.family("devbindd_journal_rows", Gauge, "Rows of the state database, as they were when this was asked for last.");
  text.add({{"table", "operations"}}, size.operations);
  text.add({{"table", "claims"}}, size.claims);
  text.add({{"table", "answers"}}, size.answers);
  text.add({{"table", "audit"}}, size.audit);
  text.add({{"table", "damaged"}}, size.damaged);
}

// The names that every Prometheus client has for them.
void add_process(MetricsText& text, const Context& context) {
  const auto use = process_use(context.engine.services().tree);
  if (!use) return;
  text.family("process_cpu_seconds_total", Counter, "Processor time of the daemon, without its workers.");
  text.add({}, use->cpu_seconds);
  text.family("process_start_time_seconds", Gauge, "When the daemon was started, in seconds since 1970.");
  text.add({}, use->start_seconds);
  text.family("process_resident_memory_bytes", Gauge, "Memory that the daemon has, without its workers.");
  text.add({}, use->resident_bytes);
  text.family("process_virtual_memory_bytes", Gauge, "Address space of the daemon.");
  text.add({}, use->virtual_bytes);
  text.family("process_open_fds", Gauge, "Open file descriptors.");
  text.add({}, use->open_descriptors);
  text.family("process_max_fds", Gauge, "How many file descriptors it may have open.");
  text.add({}, use->most_descriptors);
  text.family("process_threads", Gauge, "Threads of the daemon.");
  text.add({}, use->threads);
}

}  // namespace

std::string render_metrics(Context& context) {
  MetricsText text;
  add_service(text, context);
  add_devices(text, context);
  add_operations(text, context);
  add_claims(text, context);
  add_requests(text, context);
  add_use(text, context);
  add_journal(text, context);
  add_process(text, context);
  return text.text();
}

}  // namespace devbindd::api

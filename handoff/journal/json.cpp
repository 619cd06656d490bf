// SPDX-License-Identifier: Apache-2.0
#include "handoff/journal/json.hpp"

#include <array>
#include <ctime>
#include <nlohmann/json.hpp>

#include "handoff/journal/json_values.hpp"
#include "handoff/usage/usage.hpp"

namespace devbindd::handoff {
namespace {

using handoff::or_null;
using nlohmann::json;

json or_null(const std::optional<TimePoint>& time) { return time ? json(rfc3339(*time)) : json(nullptr); }

json or_null(const std::optional<sysfs::PciAddress>& address) {
  return address ? json(sysfs::to_string(*address)) : json(nullptr);
}

json errno_json(int errno_value) { return errno_value == 0 ? json(nullptr) : json(sysfs::errno_name(errno_value)); }

json to_json(const sysfs::Step& step) {
  const auto write = sysfs::write_of(step);
  return {{"action", sysfs::name_of(step.kind)},
          {"device", or_null(step.address)},
          {"path", write.path},
          {"value", write.value}};
}

json functions_json(const std::optional<FunctionsState>& functions) {
  if (!functions) return nullptr;
  return {{"vfs", functions->count}, {"drivers_autoprobe", functions->autoprobe}};
}

json to_json(const ChangeRequest& request) {
  json document = {{"device", or_null(request.address)},
                   {"driver", request.driver ? json(request.driver->text()) : json(nullptr)},
                   {"scope", request.scope ? json(name_of(*request.scope)) : json(nullptr)},
                   {"accept_risks", request.accept_risks}};
  if (request.kind == ChangeKind::Bind) document["method"] = name_of(request.method);
  if (!request.id.empty()) document["id"] = request.id;
  if (request.functions) {
    document["vfs"] = request.functions->count;
    document["kernel_chooses"] = request.functions->kernel_chooses;
    document["drivers_autoprobe"] = or_null(request.functions->autoprobe);
  }
  if (!request.claim.empty()) document["claim"] = "/v1/claims/" + request.claim;
  for (const auto& item : request.items) {
    document["items"].push_back({{"kind", name_of(item.kind)},
                                 {"device", or_null(item.address)},
                                 {"driver", item.driver ? json(item.driver->text()) : json(nullptr)},
                                 {"scope", item.scope ? json(name_of(*item.scope)) : json(nullptr)}});
  }
  return document;
}

json to_json(const StepRecord& record) {
  auto document = to_json(record.planned);
  document["state"] = name_of(record.state);
  document["started_at"] = or_null(record.started_at);
  document["finished_at"] = or_null(record.finished_at);
  document["errno"] = errno_json(record.errno_value);
  document["message"] = record.message.empty() ? json(nullptr) : json(record.message);
  return document;
}

json to_json(const Blockage& blockage) {
  json holders = json::array();
  for (const auto& holder : blockage.holders) holders.push_back(handoff::to_json(holder));
  return {{"step", blockage.step},
          {"since", rfc3339(blockage.since)},
          {"worker_pid", blockage.worker_pid},
          {"wait_channel", blockage.wait_channel.empty() ? json(nullptr) : json(blockage.wait_channel)},
          {"holders", std::move(holders)}};
}

}  // namespace

std::string rfc3339(TimePoint time) {
  const auto since_epoch = std::chrono::duration_cast<std::chrono::milliseconds>(time.time_since_epoch()).count();
  const std::time_t seconds = since_epoch / 1000;
  std::tm parts{};
  ::gmtime_r(&seconds, &parts);
  std::array<char, 64> text{};
  const auto length = std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%S", &parts);
  std::array<char, 16> fraction{};
  std::snprintf(fraction.data(), fraction.size(), ".%03dZ", static_cast<int>(since_epoch % 1000));
  return std::string(text.data(), length) + fraction.data();
}

std::string dump(const json& document, int indent) {
  return document.dump(indent, ' ', false, json::error_handler_t::replace);
}

json to_json(const Requester& requester) {
  json document = {
      {"transport", requester.transport}, {"uid", or_null(requester.uid)}, {"pid", or_null(requester.pid)}};
  if (!requester.traceparent.empty()) document["traceparent"] = requester.traceparent;
  if (!requester.token.empty()) document["token"] = requester.token;
  if (!requester.certificate.empty()) document["certificate"] = requester.certificate;
  return document;
}

json to_json(const vfio::Holder& holder) {
  return {{"pid", holder.pid}, {"command", holder.command}, {"path", holder.path}, {"certain", holder.certain}};
}

json to_json(const Evidence& evidence) {
  json processes = json::array();
  for (const auto& holder : evidence.processes) processes.push_back(to_json(holder));
  return {{"code", evidence.code},
          {"severity", evidence.severity == Severity::Block ? "block" : "warn"},
          {"acceptable", evidence.acceptable},
          {"device", or_null(evidence.device)},
          {"detail", evidence.detail},
          {"next_step", evidence.next_step},
          {"path", evidence.path},
          {"processes", std::move(processes)}};
}

json to_json(const std::vector<Evidence>& evidence) {
  json list = json::array();
  for (const auto& item : evidence) list.push_back(to_json(item));
  return list;
}

json to_json(const LookedAt& looked) {
  json document = {{"device", sysfs::to_string(looked.device)},
                   {"found", json::array()},
                   {"nothing", json::array()},
                   {"not_visible", json::array()}};
  for (const auto& rule : looked.rules) {
    if (rule.outcome != Outcome::NotVisible) document[std::string(name_of(rule.outcome))].push_back(rule.rule);
    if (!rule.reason.empty()) document["not_visible"].push_back({{"rule", rule.rule}, {"reason", rule.reason}});
  }
  return document;
}

json to_json(const std::vector<LookedAt>& looked) {
  json list = json::array();
  for (const auto& item : looked) list.push_back(to_json(item));
  return list;
}

json to_json(const RuleOutcome& rule) {
  return {{"rule", rule.rule},
          {"source", source_of_rule(rule.rule)},
          {"outcome", name_of(rule.outcome)},
          {"reason", rule.reason.empty() ? json(nullptr) : json(rule.reason)}};
}

json to_json(const PlannedStep& planned) {
  auto document = to_json(planned.step);
  document["undo"] = json::array();
  for (const auto& step : planned.undo) document["undo"].push_back(to_json(step));
  return document;
}

json to_json(const Transition& transition) {
  return {{"address", sysfs::to_string(transition.address)},
          {"driver_before", or_null(transition.driver_before)},
          {"driver_override_before", or_null(transition.override_before)},
          {"driver_after", or_null(transition.driver_after)},
          {"driver_override_after", or_null(transition.override_after)},
          {"present_before", transition.there_before},
          {"present_after", transition.there_after},
          {"recreated", transition.remade && transition.there_before && transition.there_after},
          {"kernel_chooses", transition.kernel_chooses},
          {"vf_settings_before", or_null(transition.vf_settings_before)},
          {"vf_settings_after", or_null(transition.vf_settings_after)},
          {"functions_before", functions_json(transition.functions_before)},
          {"functions_after", functions_json(transition.functions_after)}};
}

json to_json(const OperationError& error) {
  json unrestored = json::array();
  for (const auto& address : error.unrestored) unrestored.push_back(sysfs::to_string(address));
  json unknown = json::array();
  for (const auto& address : error.unknown) unknown.push_back(sysfs::to_string(address));
  return {{"code", sysfs::name_of(error.error.code)},
          {"detail", error.error.message},
          {"errno", errno_json(error.error.errno_value)},
          {"step", error.step ? to_json(*error.step) : json(nullptr)},
          {"meaning", error.meaning.empty() ? json(nullptr) : json(error.meaning)},
          {"next_step", error.next_step.empty() ? json(nullptr) : json(error.next_step)},
          {"restored", or_null(error.restored)},
          {"undo_failures", error.undo_failures},
          {"unrestored", std::move(unrestored)},
          {"unknown", std::move(unknown)},
          {"kernel_log", error.kernel_log_readable ? json(error.kernel_log) : json(nullptr)}};
}

json to_json(const Operation& operation) {
  json steps = json::array();
  for (const auto& step : operation.steps) steps.push_back(to_json(step));
  json devices = json::array();
  for (const auto& transition : operation.transitions) devices.push_back(to_json(transition));
  return {{"id", operation.id},
          {"boot_id", operation.boot_id},
          {"kind", name_of(operation.request.kind)},
          {"state", name_of(operation.state)},
          {"created_at", rfc3339(operation.created_at)},
          {"finished_at", or_null(operation.finished_at)},
          {"requested_by", to_json(operation.requester)},
          {"request", to_json(operation.request)},
          {"devices", std::move(devices)},
          {"steps", std::move(steps)},
          {"evidence", to_json(operation.evidence)},
          {"looked_at", to_json(operation.looked_at)},
          {"blocked", operation.blocked ? to_json(*operation.blocked) : json(nullptr)},
          {"error", operation.error ? to_json(*operation.error) : json(nullptr)}};
}

json to_json(const AuditEntry& entry) {
  return {{"at", rfc3339(entry.at)},
          {"event", name_of(entry.event)},
          {"kind", entry.kind.empty() ? std::string(name_of(entry.request.kind)) : entry.kind},
          {"requested_by", to_json(entry.requester)},
          {"request", to_json(entry.request)},
          {"operation", entry.operation.empty() ? json(nullptr) : json("/v1/operations/" + entry.operation)},
          {"outcome", entry.outcome},
          {"detail", entry.detail.empty() ? json(nullptr) : json(entry.detail)},
          {"evidence", entry.evidence},
          {"accepted_risks", entry.accepted},
          {"looked_at", to_json(entry.looked_at)}};
}

}  // namespace devbindd::handoff

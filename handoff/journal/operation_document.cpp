// SPDX-License-Identifier: Apache-2.0
#include "handoff/journal/operation_document.hpp"

#include <algorithm>
#include <ctime>
#include <nlohmann/json.hpp>

namespace devbindd::handoff {
namespace {

using nlohmann::json;
using sysfs::StepKind;

// The functions below take any JSON: what does not fit is nullopt or empty, never an exception.
std::optional<std::string> text(const json& object, const char* key) {
  if (!object.is_object()) return std::nullopt;
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? std::optional(found->get<std::string>()) : std::nullopt;
}

const json& list(const json& object, const char* key) {
  static const json none = json::array();
  if (!object.is_object()) return none;
  const auto found = object.find(key);
  return found != object.end() && found->is_array() ? *found : none;
}

std::optional<sysfs::PciAddress> address(const json& object, const char* key) {
  const auto found = text(object, key);
  if (!found) return std::nullopt;
  auto parsed = sysfs::parse_pci_address(*found);
  return parsed ? std::optional(*parsed) : std::nullopt;
}

std::vector<sysfs::PciAddress> addresses_in(const json& object, const char* key) {
  std::vector<sysfs::PciAddress> addresses;
  for (const auto& item : list(object, key)) {
    if (!item.is_string()) continue;
    if (const auto parsed = sysfs::parse_pci_address(item.get<std::string>())) addresses.push_back(*parsed);
  }
  return addresses;
}

bool flag(const json& object, const char* key, bool fallback) {
  if (!object.is_object()) return fallback;
  const auto found = object.find(key);
  return found != object.end() && found->is_boolean() ? found->get<bool>() : fallback;
}

std::optional<FunctionsState> functions(const json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_object()) return std::nullopt;
  const auto count = found->find("vfs");
  if (count == found->end() || !count->is_number_unsigned()) return std::nullopt;
  return FunctionsState{count->get<unsigned>(), flag(*found, "drivers_autoprobe", true)};
}

std::optional<TimePoint> time(const json& object, const char* key) {
  const auto found = text(object, key);
  return found ? time_from(*found) : std::nullopt;
}

// The driver in "/sys/bus/pci/drivers/NAME/bind".
std::string driver_in(const std::string& path) {
  const auto end = path.rfind('/');
  if (end == std::string::npos || end == 0) return {};
  const auto start = path.rfind('/', end - 1);
  return path.substr(start + 1, end - start - 1);
}

// The inverse of sysfs::write_of.
std::optional<sysfs::Step> step_from(const json& document) {
  const auto kind = sysfs::step_kind_named(text(document, "action").value_or(""));
  const auto path = text(document, "path").value_or("");
  const auto value = text(document, "value").value_or("");
  if (!kind) return std::nullopt;
  sysfs::Step step{*kind, address(document, "device"), {}};
  switch (*kind) {
    case StepKind::LoadModule:
    case StepKind::SetAutoprobe:
    case StepKind::SetNumVfs:
    case StepKind::SetVfSettings:
    case StepKind::SetOverride: step.argument = value; break;
    case StepKind::Unbind:
    case StepKind::Bind: step.argument = driver_in(path); break;
    case StepKind::AddId:
    case StepKind::RemoveId: step.argument = driver_in(path) + " " + value; break;
    case StepKind::ClearOverride:
    case StepKind::Reset:
    case StepKind::SetVfToken:  // the token is not kept
    case StepKind::Probe: break;
  }
  return step;
}

std::optional<StepRecord> record_from(const json& document) {
  auto step = step_from(document);
  if (!step) return std::nullopt;
  StepRecord record;
  record.planned.step = std::move(*step);
  for (const auto& undo : list(document, "undo")) {
    if (auto undone = step_from(undo)) record.planned.undo.push_back(std::move(*undone));
  }
  record.state = step_state_named(text(document, "state").value_or("")).value_or(StepState::Unknown);
  record.started_at = time(document, "started_at");
  record.finished_at = time(document, "finished_at");
  record.errno_value = sysfs::errno_named(text(document, "errno").value_or(""));
  record.message = text(document, "message").value_or("");
  return record;
}

std::vector<std::string> texts(const json& object, const char* key) {
  std::vector<std::string> found;
  for (const auto& item : list(object, key)) {
    if (item.is_string()) found.push_back(item.get<std::string>());
  }
  return found;
}

std::int64_t number(const json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_number_integer() ? found->get<std::int64_t>() : 0;
}

std::vector<vfio::Holder> holders_from(const json& object, const char* key) {
  std::vector<vfio::Holder> holders;
  for (const auto& item : list(object, key)) {
    if (!item.is_object()) continue;
    holders.push_back({.pid = static_cast<int>(number(item, "pid")),
                       .command = text(item, "command").value_or(""),
                       .path = text(item, "path").value_or(""),
                       .certain = flag(item, "certain", true)});
  }
  return holders;
}

std::optional<Evidence> evidence_from(const json& document) {
  auto code = text(document, "code");
  if (!code) return std::nullopt;
  return Evidence{.code = std::move(*code),
                  .severity = text(document, "severity") == "warn" ? Severity::Warn : Severity::Block,
                  .acceptable = flag(document, "acceptable", false),
                  .device = address(document, "device"),
                  .detail = text(document, "detail").value_or(""),
                  .next_step = text(document, "next_step").value_or(""),
                  .path = texts(document, "path"),
                  .processes = holders_from(document, "processes")};
}

Blockage blockage_from(const json& document) {
  return {.step = static_cast<std::size_t>(std::max<std::int64_t>(number(document, "step"), 0)),
          .since = time(document, "since").value_or(TimePoint{}),
          .worker_pid = static_cast<int>(number(document, "worker_pid")),
          .wait_channel = text(document, "wait_channel").value_or(""),
          .holders = holders_from(document, "holders")};
}

OperationError error_from(const json& document) {
  OperationError error;
  error.error.code = sysfs::error_code_named(text(document, "code").value_or("")).value_or(sysfs::ErrorCode::Kernel);
  error.error.message = text(document, "detail").value_or("");
  error.error.errno_value = sysfs::errno_named(text(document, "errno").value_or(""));
  if (const auto step = document.find("step"); step != document.end()) error.step = step_from(*step);
  error.meaning = text(document, "meaning").value_or("");
  error.next_step = text(document, "next_step").value_or("");
  const auto restored = document.find("restored");
  error.restored =
      restored != document.end() && restored->is_boolean() ? std::optional(restored->get<bool>()) : std::nullopt;
  error.undo_failures = texts(document, "undo_failures");
  error.unrestored = addresses_in(document, "unrestored");
  error.unknown = addresses_in(document, "unknown");
  error.kernel_log = texts(document, "kernel_log");
  const auto log = document.find("kernel_log");
  error.kernel_log_readable = log != document.end() && log->is_array();
  return error;
}

std::vector<RuleOutcome> rules_from(const json& document) {
  std::vector<RuleOutcome> rules;
  for (const auto outcome : {Outcome::Found, Outcome::Nothing}) {
    for (const auto& name : list(document, std::string(name_of(outcome)).c_str())) {
      if (name.is_string()) rules.push_back({name.get<std::string>(), outcome, {}});
    }
  }
  for (const auto& item : list(document, "not_visible")) {
    const auto name = text(item, "rule");
    if (!name) continue;
    const auto known = std::ranges::find(rules, *name, &RuleOutcome::rule);
    auto& rule = known != rules.end() ? *known : rules.emplace_back(*name, Outcome::NotVisible);
    rule.reason = text(item, "reason").value_or("");
  }
  return rules;
}

std::optional<ChangeKind> kind_from(const json& document) {
  for (const auto kind :
       {ChangeKind::Bind, ChangeKind::Unbind, ChangeKind::Restore, ChangeKind::SetOverride, ChangeKind::ClearOverride,
        ChangeKind::AddId, ChangeKind::RemoveId, ChangeKind::Transaction, ChangeKind::SetVfs}) {
    if (text(document, "kind") == name_of(kind)) return kind;
  }
  return std::nullopt;
}

void read_request(const json& document, ChangeRequest& request) {
  request.address = address(document, "device");
  if (const auto name = text(document, "driver")) {
    if (auto driver = sysfs::DriverName::parse(*name)) request.driver = *driver;
  }
  if (const auto scope = text(document, "scope"))
    request.scope = *scope == name_of(Scope::Group) ? Scope::Group : Scope::Device;
  if (text(document, "method") == name_of(Method::NewId)) request.method = Method::NewId;
  request.id = text(document, "id").value_or("");
  const auto claim = text(document, "claim").value_or("");
  request.claim = claim.substr(claim.rfind('/') + 1);
  if (const auto count = document.find("vfs"); request.kind == ChangeKind::SetVfs && count != document.end()) {
    request.functions = VirtualFunctions{.count = count->is_number_unsigned() ? count->get<unsigned>() : 0,
                                         .kernel_chooses = flag(document, "kernel_chooses", true)};
    if (const auto autoprobe = document.find("drivers_autoprobe");
        autoprobe != document.end() && autoprobe->is_boolean())
      request.functions->autoprobe = autoprobe->get<bool>();
  }
  for (const auto& code : list(document, "accept_risks")) {
    if (code.is_string()) request.accept_risks.push_back(code.get<std::string>());
  }
  for (const auto& item : list(document, "items")) {
    const auto kind = kind_from(item);
    if (!kind || request.kind != ChangeKind::Transaction) continue;
    ChangeRequest part;
    part.kind = *kind;
    read_request(item, part);
    request.items.push_back(std::move(part));
  }
}

}  // namespace

// "2026-11-22T12:34:56.789Z"
std::optional<TimePoint> time_from(const std::string& text) {
  std::tm parts{};
  const char* rest = ::strptime(text.c_str(), "%Y-%m-%dT%H:%M:%S", &parts);
  if (rest == nullptr) return std::nullopt;
  const int milliseconds = *rest == '.' ? std::atoi(rest + 1) : 0;
  return std::chrono::system_clock::from_time_t(::timegm(&parts)) + std::chrono::milliseconds(milliseconds);
}

std::optional<Transition> transition_from(const json& document) {
  const auto where = address(document, "address");
  if (!where) return std::nullopt;
  Transition transition{.address = *where,
                        .driver_before = text(document, "driver_before"),
                        .override_before = text(document, "driver_override_before"),
                        .driver_after = text(document, "driver_after"),
                        .override_after = text(document, "driver_override_after")};
  transition.there_before = flag(document, "present_before", true);
  transition.there_after = flag(document, "present_after", true);
  transition.kernel_chooses = flag(document, "kernel_chooses", false);
  transition.remade = !transition.there_before || !transition.there_after || flag(document, "recreated", false);
  transition.vf_settings_before = text(document, "vf_settings_before");
  transition.vf_settings_after = text(document, "vf_settings_after");
  transition.functions_before = functions(document, "functions_before");
  transition.functions_after = functions(document, "functions_after");
  return transition;
}

Requester requester_from(const json& document) {
  Requester requester;
  requester.transport = text(document, "transport").value_or("");
  requester.token = text(document, "token").value_or("");
  requester.certificate = text(document, "certificate").value_or("");
  if (!document.is_object()) return requester;
  requester.traceparent = text(document, "traceparent").value_or("");
  if (const auto uid = document.find("uid"); uid != document.end() && uid->is_number_unsigned())
    requester.uid = uid->get<unsigned>();
  if (const auto pid = document.find("pid"); pid != document.end() && pid->is_number_integer())
    requester.pid = pid->get<int>();
  return requester;
}

std::optional<Operation> operation_from(const json& document) {
  const auto id = text(document, "id");
  const auto kind = kind_from(document);
  const auto created = time(document, "created_at");
  if (!id || !kind || !created) return std::nullopt;
  Operation operation;
  operation.id = *id;
  operation.boot_id = text(document, "boot_id").value_or("");
  operation.state = operation_state_named(text(document, "state").value_or("")).value_or(OperationState::Running);
  operation.created_at = *created;
  operation.finished_at = time(document, "finished_at");
  operation.request.kind = *kind;
  if (document.contains("request")) read_request(document["request"], operation.request);
  if (document.contains("requested_by")) operation.requester = requester_from(document["requested_by"]);
  for (const auto& item : list(document, "devices")) {
    if (auto transition = transition_from(item)) operation.transitions.push_back(std::move(*transition));
  }
  if (const auto error = document.find("error"); error != document.end() && error->is_object())
    operation.error = error_from(*error);
  if (const auto blocked = document.find("blocked"); blocked != document.end() && blocked->is_object())
    operation.blocked = blockage_from(*blocked);
  for (const auto& item : list(document, "evidence")) {
    if (auto evidence = evidence_from(item)) operation.evidence.push_back(std::move(*evidence));
  }
  for (const auto& item : list(document, "looked_at")) {
    if (const auto where = address(item, "device")) operation.looked_at.push_back({*where, rules_from(item)});
  }
  for (const auto& item : list(document, "steps")) {
    if (auto record = record_from(item)) operation.steps.push_back(std::move(*record));
  }
  return operation;
}

}  // namespace devbindd::handoff

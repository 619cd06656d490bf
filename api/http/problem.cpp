// SPDX-License-Identifier: Apache-2.0
#include "api/http/problem.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "handoff/journal/json.hpp"

namespace devbindd::api {
namespace {

using nlohmann::json;
using sysfs::ErrorCode;

std::string title_of(int status) {
  switch (status) {
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 406: return "Not Acceptable";
    case 408: return "Request Timeout";
    case 409: return "Conflict";
    case 411: return "Length Required";
    case 412: return "Precondition Failed";
    case 413: return "Content Too Large";
    case 414: return "URI Too Long";
    case 415: return "Unsupported Media Type";
    case 417: return "Expectation Failed";
    case 421: return "Misdirected Request";
    case 429: return "Too Many Requests";
    case 431: return "Request Header Fields Too Large";
    case 500: return "Internal Server Error";
    case 501: return "Not Implemented";
    case 503: return "Service Unavailable";
    case 505: return "HTTP Version Not Supported";
    default: return "Error";
  }
}

}  // namespace

json render_selection(const handoff::Selection& selection) {
  json not_free = json::array();
  for (const auto& device : selection.not_free) {
    not_free.push_back(
        {{"device", sysfs::to_string(device.device)},
         {"reason", handoff::name_of(device.reason)},
         {"detail", device.detail},
         {"claim", device.claim.empty() ? json(nullptr) : json("/v1/claims/" + device.claim)},
         {"operation", device.operation.empty() ? json(nullptr) : json("/v1/operations/" + device.operation)}});
  }
  return {{"wanted", selection.wanted},
          {"fit", selection.fit},
          {"free", selection.free},
          {"not_free", std::move(not_free)}};
}

int status_of(ErrorCode code) {
  switch (code) {
    case ErrorCode::InvalidAddress:
    case ErrorCode::InvalidName:
    case ErrorCode::OwnerNotFound:
    case ErrorCode::ConflictingItems: return 400;
    case ErrorCode::DeviceNotFound:
    case ErrorCode::GroupNotFound:
    case ErrorCode::DriverNotFound:
    case ErrorCode::OperationNotFound:
    case ErrorCode::ClaimNotFound: return 404;
    case ErrorCode::ReadOnly:
    case ErrorCode::DeviceForbidden:
    case ErrorCode::DriverForbidden:
    case ErrorCode::RiskForbidden:
    case ErrorCode::OwnerForbidden: return 403;
    case ErrorCode::RoleLimit: return 429;
    case ErrorCode::PreconditionFailed: return 412;
    case ErrorCode::IdentityMismatch: return 412;
    case ErrorCode::ModuleNotFound:
    case ErrorCode::ModuleBlacklisted:
    case ErrorCode::ModuleLoadFailed:
    case ErrorCode::Refused:
    case ErrorCode::OperationInProgress:
    case ErrorCode::ClaimNotActive:
    case ErrorCode::ClaimInUse:
    case ErrorCode::NotEnoughDevices:
    case ErrorCode::LimitNotRaised:
    case ErrorCode::KeyReused:
    case ErrorCode::NothingToRestore:
    case ErrorCode::NotVfioBound:
    case ErrorCode::NodeNotFound:
    case ErrorCode::DeviceOpen:
    case ErrorCode::GroupNotViable:
    case ErrorCode::BindFailed:
    case ErrorCode::Interrupted:
    case ErrorCode::DeviceGone: return 409;
    case ErrorCode::TooBusy:
    case ErrorCode::ShuttingDown:
    case ErrorCode::Overdue: return 503;
    case ErrorCode::RestoreFailed:
    case ErrorCode::RestoreUnknown:
    case ErrorCode::JournalFailed:
    case ErrorCode::Kernel: return 500;
  }
  return 500;
}

Response problem(const Request& request, int status, std::string_view code, const std::string& detail,
                 const json& extra) {
  json document = {{"type", "urn:devbindd:problem:" + std::string(code)},
                   {"title", title_of(status)},
                   {"status", status},
                   {"code", code},
                   {"detail", detail},
                   {"instance", "urn:uuid:" + request.id}};
  document.update(extra);
  Response response{.status = status,
                    .content_type = "application/problem+json",
                    .body = handoff::dump(document) + "\n",
                    .headers = {}};
  if (status == 503 || status == 429) response.headers.emplace_back("Retry-After", "1");
  return response;
}

Response problem(const Request& request, int status, std::string_view code, const std::string& detail) {
  return problem(request, status, code, detail, json::object());
}

namespace {

bool is_absent(const Mistake& mistake) {
  return mistake.code == sysfs::name_of(ErrorCode::DeviceNotFound) ||
         mistake.code == sysfs::name_of(ErrorCode::GroupNotFound);
}

bool is_misspelt(const Mistake& mistake) {
  return mistake.code == "unknown_field" && mistake.detail.contains("Did you mean");
}

}  // namespace

Response bad_request(const Request& request, std::vector<Mistake> mistakes) {
  // A key that is misspelt is often the one that is missing, and says what is meant.
  if (std::ranges::any_of(mistakes, is_misspelt))
    std::ranges::stable_partition(mistakes, [](const Mistake& one) { return one.code != "missing_field"; });
  const auto absent = std::ranges::stable_partition(mistakes, [](const Mistake& one) { return !is_absent(one); });
  const int status = absent.size() == mistakes.size() ? 404 : 400;
  auto errors = json::array();
  for (const auto& [code, pointer, detail] : mistakes)
    errors.push_back({{"code", code}, {"pointer", pointer}, {"detail", detail}});
  const auto more = mistakes.size() > 1 ? " (and " + std::to_string(mistakes.size() - 1) + " more)" : std::string{};
  const auto& first = mistakes.front();
  return problem(request, status, first.code, first.detail + more, {{"errors", std::move(errors)}});
}

Response bad_request(const Request& request, std::string_view code, const std::string& pointer,
                     const std::string& detail) {
  return bad_request(request, std::vector{Mistake{std::string(code), pointer, detail}});
}

Response problem_of(const Request& request, const sysfs::Error& error) {
  json extra = json::object();
  if (error.errno_value != 0) extra["errno"] = sysfs::errno_name(error.errno_value);
  if (!error.path.empty()) extra["path"] = error.path;
  return problem(request, status_of(error.code), sysfs::name_of(error.code), error.message, extra);
}

Response problem_of(const Request& request, const handoff::Refusal& refusal) {
  auto response = problem_of(request, refusal.error);
  auto document = json::parse(response.body, nullptr, false);
  if (refusal.error.code == ErrorCode::Refused || refusal.error.code == ErrorCode::ClaimInUse ||
      !refusal.evidence.empty())
    document["blockers"] = handoff::to_json(refusal.evidence);
  if (!refusal.operation.empty()) document["operation"] = "/v1/operations/" + refusal.operation;
  if (refusal.selection) {
    document["selection"] = render_selection(*refusal.selection);
    if (const auto wait = handoff::worth_waiting(*refusal.selection))
      response.headers.emplace_back("Retry-After", std::to_string(wait->count()));
  }
  response.body = handoff::dump(document) + "\n";
  return response;
}

Response problem_of_operation(const Request& request, const handoff::Operation& operation) {
  const auto error = operation.error.value_or(handoff::OperationError{});
  auto extra = handoff::to_json(error);
  extra.erase("code");
  extra.erase("detail");
  extra["operation"] = "/v1/operations/" + operation.id;
  auto detail = error.error.message;
  detail += !error.restored   ? "; whether the state before the operation is back is not known"
            : *error.restored ? "; the state before the operation is back"
                              : "; the state before the operation could not be brought back";
  return problem(request, status_of(error.error.code), std::string(sysfs::name_of(error.error.code)), detail, extra);
}

}  // namespace devbindd::api

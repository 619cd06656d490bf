// SPDX-License-Identifier: Apache-2.0
#include "clients/api/daemon.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdio>
#include <nlohmann/json.hpp>

namespace devbindd::clients {

using nlohmann::json;

json parsed(const std::string& body) { return json::parse(body, nullptr, false, false); }

std::string escaped(const std::string& text) {
  std::string out;
  for (const char letter : text) {
    const auto byte = static_cast<unsigned char>(letter);
    if (std::isalnum(byte) != 0 || std::string_view("-._~").contains(letter)) {
      out += letter;
      continue;
    }
    std::array<char, 4> code{};
    std::snprintf(code.data(), code.size(), "%%%02X", byte);
    out += code.data();
  }
  return out;
}

ExitStatus status_of(const std::string& problem_code) {
  static constexpr std::array refusals{"refused",          "not_enough_devices", "operation_in_progress",
                                       "claim_in_use",     "identity_mismatch",  "precondition_failed",
                                       "forbidden",        "read_only",          "device_open",
                                       "group_not_viable", "limit_not_raised"};
  if (problem_code == "nothing_to_restore") return ExitStatus::NothingToDo;
  return std::ranges::find(refusals, problem_code) != refusals.end() ? ExitStatus::Refused : ExitStatus::Error;
}

Failure failure_of(const Answer& answer) {
  const auto problem = parsed(answer.body);
  if (!problem.is_object() || !problem.contains("code"))
    return {.status = ExitStatus::Error, .text = "devbindd answers " + std::to_string(answer.status) + ".", .body = {}};
  return {.status = status_of(problem.value("code", "")), .text = problem.value("detail", ""), .body = answer.body};
}

Result<Answer> Daemon::ask(const Request& request) {
  auto answer = exchange_.ask(request, patience_);
  if (answer && answer->status >= 400) return std::unexpected(failure_of(*answer));
  return answer;
}

Result<Answer> Daemon::get(const std::string& target) {
  return ask({.method = "GET", .target = target, .fields = {}, .body = {}});
}

Result<json> Daemon::document(const std::string& target) {
  auto answer = get(target);
  if (!answer) return std::unexpected(answer.error());
  auto value = parsed(answer->body);
  if (value.is_discarded()) return fail("devbindd's answer to " + target + " is no JSON.");
  return value;
}

Result<std::vector<Answer>> Daemon::pages(const std::string& target) {
  std::vector<Answer> found;
  for (std::string next = target; !next.empty();) {
    auto answer = get(next);
    if (!answer) return std::unexpected(answer.error());
    const auto value = parsed(answer->body);
    found.push_back(std::move(*answer));
    next.clear();
    if (value.is_object() && value.contains("next_page_token") && value["next_page_token"].is_string())
      next = target + (target.contains('?') ? "&" : "?") +
             "page_token=" + escaped(value["next_page_token"].get<std::string>());
  }
  return found;
}

void append_items(json& all, const Answer& page) {
  auto document = parsed(page.body);
  if (!document.is_object() || !document.contains("items")) return;
  for (auto& item : document["items"]) all.push_back(std::move(item));
}

Result<json> Daemon::items(const std::string& target) {
  auto found = pages(target);
  if (!found) return std::unexpected(found.error());
  auto all = json::array();
  for (const auto& page : *found) append_items(all, page);
  return all;
}

Result<void> Daemon::follow(const Request& request, const Exchange::Take& take) {
  auto answer = exchange_.follow(request, patience_, take);
  if (!answer) return std::unexpected(answer.error());
  if (answer->status >= 400) return std::unexpected(failure_of(*answer));
  return {};
}

}  // namespace devbindd::clients

// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <nlohmann/json.hpp>

#include "api/handlers/handlers.hpp"
#include "api/http/parameters.hpp"
#include "api/http/text_table.hpp"
#include "api/render/render.hpp"
#include "handoff/journal/json.hpp"
#include "handoff/plan/claim_reasons.hpp"
#include "handoff/plan/looked_at.hpp"
#include "handoff/plan/open_reasons.hpp"
#include "handoff/plan/sriov_reasons.hpp"

namespace devbindd::api {
namespace {

using handoff::Evidence;
using handoff::RuleOutcome;
using nlohmann::json;

const std::vector<Column>& usage_columns() {
  static const std::vector<Column> list = {
      {"CODE", [](const json& evidence) { return plain(evidence["code"]); }},
      {"SEVERITY", [](const json& evidence) { return plain(evidence["severity"]); }},
      {"WHAT", [](const json& evidence) { return plain(evidence["detail"]); }}};
  return list;
}

// What the answer is made of; more is found out step by step.
struct Answer {
  std::vector<Evidence> evidence = {};
  std::vector<RuleOutcome> rules = {};
};

void add_claim(const sysfs::PciAddress& address, const std::string& claim, Answer& answer) {
  if (!claim.empty()) answer.evidence.push_back(handoff::claim_evidence(address, claim));
  answer.rules.push_back(handoff::claims_rule(claim));
}

std::string gaps_of(const std::vector<RuleOutcome>& rules) {
  std::string text;
  for (const auto& rule : rules) {
    if (!rule.reason.empty()) text += "not visible (" + rule.rule + "): " + rule.reason + "\n";
  }
  return text;
}

Response usage_response(const Request& request, const sysfs::PciAddress& address, const Answer& answer) {
  const auto& evidence = answer.evidence;
  const auto document = handoff::to_json(evidence);
  if (wants_text(request)) {
    const auto table = evidence.empty() ? "nothing is seen to use it\n" : text_table(usage_columns(), document);
    return text_response(table + gaps_of(answer.rules));
  }
  json rules = json::array();
  for (const auto& rule : answer.rules) rules.push_back(handoff::to_json(rule));
  const bool in_use =
      std::ranges::any_of(evidence, [](const Evidence& item) { return item.severity == handoff::Severity::Block; });
  return json_response({{"address", sysfs::to_string(address)},
                        {"in_use", in_use},
                        {"evidence", document},
                        {"rules", std::move(rules)}});
}

// A device on a VFIO driver: by whom it is open.
void answer_for_vfio(Context& context, const Request& request, const sysfs::Device& device, const Respond& respond) {
  const auto claim = context.engine.claim_of(device);
  context.engine.readers().find_holders(
      device, asker_of(request.requester),
      [&context, request, device, claim, respond](const handoff::HoldersAnswer& holders) {
        if (!holders) return respond(problem_of(request, holders.error()));
        Answer answer{.rules = {handoff::vfio_rule(device, holders)}};
        if (auto open = handoff::open_evidence(device, *holders)) answer.evidence.push_back(*open);
        context.engine.readers().find_usage(
            device.address, request.requester,
            [request, device, claim, answer, respond](const handoff::UsageAnswer& found) mutable {
              if (!found) return respond(problem_of(request, found.error()));
              const auto usage = handoff::behind_vfio(*found);
              for (auto& mapped : handoff::evidence_of(usage.uses, device.address))
                answer.evidence.push_back(std::move(mapped));
              answer.rules.insert(answer.rules.end(), usage.rules.begin(), usage.rules.end());
              add_claim(device.address, claim, answer);
              respond(usage_response(request, device.address, answer));
            });
      });
}

void answer_for_host(Context& context, const Request& request, const sysfs::Device& device, const Respond& respond) {
  context.engine.readers().find_usage(
      device.address, request.requester, [&context, request, device, respond](const handoff::UsageAnswer& usage) {
        if (!usage) return respond(problem_of(request, usage.error()));
        Answer answer{handoff::evidence_of(usage->uses, device.address), usage->rules};
        if (auto functions = handoff::functions_evidence(device)) answer.evidence.push_back(std::move(*functions));
        if (device.sriov_totalvfs) answer.rules.push_back(handoff::functions_rule(device));
        add_claim(device.address, context.engine.claim_of(device), answer);
        context.engine.readers().find_open_functions(
            device, asker_of(request.requester),
            [request, device, answer, respond](const std::vector<handoff::OpenFunction>& functions) mutable {
              auto open = handoff::open_function_evidence(device, functions);
              answer.evidence.insert(answer.evidence.end(), open.begin(), open.end());
              respond(usage_response(request, device.address, answer));
            });
      });
}

}  // namespace

void get_usage(Context& context, const Request& request, const PathArguments& arguments, Respond respond) {
  auto address = only_address(request, arguments[0]);
  if (!address) return respond(std::move(address.error()));
  const auto device = context.engine.find_device(*address);
  if (!device) return respond(problem_of(request, device.error()));
  if (sysfs::is_vfio_bound(*device)) return answer_for_vfio(context, request, *device, respond);
  answer_for_host(context, request, *device, respond);
}

}  // namespace devbindd::api

// SPDX-License-Identifier: Apache-2.0
#include "handoff/journal/document_check.hpp"

#include <algorithm>
#include <initializer_list>
#include <nlohmann/json.hpp>

#include "handoff/model/operation.hpp"

namespace devbindd::handoff {
namespace {

using nlohmann::json;

bool is_text(const json& value) { return value.is_string(); }
bool is_text_or_null(const json& value) { return value.is_string() || value.is_null(); }
bool is_list(const json& value) { return value.is_array(); }
bool is_object(const json& value) { return value.is_object(); }
bool is_object_or_null(const json& value) { return value.is_object() || value.is_null(); }
bool is_flag_or_null(const json& value) { return value.is_boolean() || value.is_null(); }
bool is_number_or_null(const json& value) { return value.is_number_integer() || value.is_null(); }
bool is_texts(const json& value) { return value.is_array() && std::ranges::all_of(value, is_text); }

struct Member {
  const char* name;
  bool (*fits)(const json&);
};

// The first member that is missing or of another type.
std::string fault_of(const json& object, const std::string& place, std::initializer_list<Member> members) {
  if (!object.is_object()) return place.empty() ? "it is no JSON object" : place + " is no object";
  for (const auto& member : members) {
    const auto found = object.find(member.name);
    if (found == object.end()) return place + "/" + member.name + " is missing";
    if (!member.fits(*found)) return place + "/" + member.name + " is of another type";
  }
  return {};
}

template <class Check>
std::string fault_of_each(const json& list, const std::string& place, Check check) {
  for (std::size_t at = 0; at < list.size(); ++at) {
    if (auto fault = check(list[at], place + "/" + std::to_string(at)); !fault.empty()) return fault;
  }
  return {};
}

std::string fault_of_requester(const json& document) {
  return fault_of(document["requested_by"], "/requested_by",
                  {{"transport", is_text}, {"uid", is_number_or_null}, {"pid", is_number_or_null}});
}

std::string fault_of_request(const json& document) {
  return fault_of(document["request"], "/request", {{"device", is_text_or_null}, {"driver", is_text_or_null}});
}

std::string fault_of_transition(const json& transition, const std::string& place) {
  return fault_of(transition, place,
                  {{"address", is_text}, {"driver_before", is_text_or_null}, {"driver_after", is_text_or_null}});
}

std::string fault_of_step(const json& step, const std::string& place) {
  return fault_of(step, place, {{"action", is_text}, {"path", is_text}, {"value", is_text}, {"undo", is_list}});
}

std::string fault_of_error(const json& error) {
  if (error.is_null()) return {};
  return fault_of(error, "/error", {{"code", is_text}, {"detail", is_text}, {"restored", is_flag_or_null}});
}

}  // namespace

std::string fault_of_operation(const json& document, const std::string& id) {
  auto fault = fault_of(document, "",
                        {{"id", is_text},
                         {"kind", is_text},
                         {"state", is_text},
                         {"created_at", is_text},
                         {"finished_at", is_text_or_null},
                         {"requested_by", is_object},
                         {"request", is_object},
                         {"devices", is_list},
                         {"steps", is_list},
                         {"evidence", is_list},
                         {"blocked", is_object_or_null},
                         {"error", is_object_or_null}});
  if (fault.empty() && document["id"] != id) fault = "/id is that of another";
  if (fault.empty() && !operation_state_named(document["state"].get<std::string>())) fault = "/state is none";
  if (fault.empty()) fault = fault_of_requester(document);
  if (fault.empty()) fault = fault_of_request(document);
  if (fault.empty()) fault = fault_of_each(document["devices"], "/devices", fault_of_transition);
  if (fault.empty()) fault = fault_of_each(document["steps"], "/steps", fault_of_step);
  if (fault.empty()) fault = fault_of_error(document["error"]);
  return fault;
}

std::string fault_of_audit(const json& document) {
  auto fault = fault_of(document, "",
                        {{"at", is_text},
                         {"event", is_text},
                         {"kind", is_text},
                         {"requested_by", is_object},
                         {"request", is_object},
                         {"operation", is_text_or_null},
                         {"outcome", is_text},
                         {"detail", is_text_or_null},
                         {"evidence", is_texts},
                         {"accepted_risks", is_texts}});
  if (fault.empty()) fault = fault_of_requester(document);
  if (fault.empty()) fault = fault_of_request(document);
  return fault;
}

}  // namespace devbindd::handoff

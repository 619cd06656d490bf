// SPDX-License-Identifier: Apache-2.0
// What handlers read from paths and queries, turned into typed values or into the exact 400 that names the place.
#pragma once

#include <expected>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

#include "api/http/json_body.hpp"
#include "api/http/message.hpp"
#include "api/http/problem.hpp"
#include "api/http/query.hpp"
#include "sysfs/device/device.hpp"

namespace devbindd::api {

template <class T>
using OrResponse = std::expected<T, Response>;

/// 400, or 404, with everything that is wrong.
Response to_response(const Request& request, const Mistakes& mistakes);

/// The PCI address in the path. Mistake: invalid_address at "{bdf}".
sysfs::PciAddress address_parameter(const std::string& text, Mistakes& mistakes);
/// The driver's name in the path. Mistake: invalid_name at "{name}".
sysfs::DriverName driver_parameter(const std::string& text, Mistakes& mistakes);

/// The 400 of a request without parameters that has some, or nullopt.
std::optional<Response> refuse_parameters(const Request& request);
/// The address of a request that has nothing else to say.
OrResponse<sysfs::PciAddress> only_address(const Request& request, const std::string& text);

/// The body as an object; null where it is none, with the mistake.
nlohmann::json body_of(const Request& request, Mistakes& mistakes);
/// The text of a body that may have one key with a string, and no other; nullopt where it has none.
std::optional<std::string> only_text(const Request& request, const std::string& key, Mistakes& mistakes);

/// The Idempotency-Key header, "" for none. Mistake: invalid_value at "Idempotency-Key:".
std::string key_of(const Request& request, Mistakes& mistakes);

/// "3f8e1c52-9d0b-4b7e-a0a6-1c2d3e4f5a6b", in either case.
bool is_uuid(std::string_view text);

/// The evidence codes to accept, from a body's array or a query's list: each must be one that exists.
std::vector<std::string> risks(BodyReader& body);
std::vector<std::string> risks(QueryReader& query);
std::optional<handoff::Scope> scope_named(const std::string& text, const std::string& pointer, Mistakes& mistakes);

/// The paging that every list has: `page_size` (1 to 1000, all by default) and `page_token`; `fields`, the members that
/// the items are to have, all by default; and `count`, whether the answer tells how many items there are in all.
struct Paging {
  std::size_t size = 1000;
  std::string after;  ///< key of the last item of the page before
  std::vector<std::string> fields = {};
  bool count = false;
};
Paging paging(QueryReader& query);
/// Of a list that has no other parameter.
OrResponse<Paging> only_paging(const Request& request);

/// The members that an answer is to have, from `fields`; empty: all.
std::vector<std::string> fields_parameter(QueryReader& query);
/// Leaves those members in an object. Error: the 400 that names one which the object does not have.
std::optional<Response> keep_fields(const Request& request, const std::vector<std::string>& fields,
                                    nlohmann::json& document);

/// {"items": [...], "next_page_token": ...} from the items with their keys. Error: invalid_value when the token's item
/// is not in the list any more: an empty page would look like the end of the list.
OrResponse<nlohmann::json> page(const Request& request,
                                const std::vector<std::pair<std::string, nlohmann::json>>& items, const Paging& paging);

/// Whether the Accept header prefers text/plain to JSON.
bool wants_text(const Request& request);

}  // namespace devbindd::api

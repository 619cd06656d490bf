// What handlers read from paths and queries, turned into typed values or into the exact 400 that names the place.
#pragma once

#include <expected>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

#include "api/json_body.hpp"
#include "api/message.hpp"
#include "api/problem.hpp"
#include "api/query.hpp"
#include "sysfs/device.hpp"

namespace devbindd::api {

template <class T>
using OrResponse = std::expected<T, Response>;

OrResponse<sysfs::PciAddress> address_parameter(const Request& request, const std::string& text);
OrResponse<sysfs::DriverName> driver_parameter(const Request& request, const std::string& text);

Response to_response(const Request& request, const BodyError& error);
Response to_response(const Request& request, const QueryError& error);

/// The text of a body that may have one key with a string, and no other; nullopt where it has none.
OrResponse<std::optional<std::string>> only_text(const Request& request, const std::string& key);

/// The evidence codes to accept, from a body's array or a query's list: each must be one that exists.
OrResponse<std::vector<std::string>> risks(const Request& request, std::vector<std::string> codes,
                                           const std::string& pointer);
OrResponse<handoff::Scope> scope_named(const Request& request, const std::string& text, const std::string& pointer);

/// One of the IDs that identify a device: four lower-case hex digits; nullopt for none.
OrResponse<std::optional<std::uint16_t>> id_value(const Request& request, const std::optional<std::string>& text,
                                                  const std::string& pointer);

/// The paging that every list has: `page_size` (1 to 1000, all by default) and `page_token`.
struct Paging {
  std::size_t size = 1000;
  std::string after;  ///< key of the last item of the page before
};
OrResponse<Paging> paging(const Request& request, QueryReader& query);

/// {"items": [...], "next_page_token": ...} from the items with their keys. Error: invalid_value when the token's item
/// is not in the list any more: an empty page would look like the end of the list.
std::expected<nlohmann::json, QueryError> page(const std::vector<std::pair<std::string, nlohmann::json>>& items,
                                               const Paging& paging);

/// Whether the Accept header prefers text/plain to JSON.
bool wants_text(const Request& request);

}  // namespace devbindd::api

#include "api/parameters.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "api/media_ranges.hpp"
#include "api/nearest_word.hpp"

namespace devbindd::api {

OrResponse<sysfs::PciAddress> address_parameter(const Request& request, const std::string& text) {
  auto address = sysfs::parse_pci_address(text);
  if (!address) return std::unexpected(problem_of(request, address.error()));
  return *address;
}

OrResponse<sysfs::DriverName> driver_parameter(const Request& request, const std::string& text) {
  auto name = sysfs::DriverName::parse(text);
  if (!name) return std::unexpected(problem_of(request, name.error()));
  return *name;
}

Response to_response(const Request& request, const BodyError& error) {
  return bad_request(request, error.code, error.pointer, error.detail, error.others);
}

Response to_response(const Request& request, const QueryError& error) {
  return bad_request(request, error.code, error.pointer, error.detail);
}

OrResponse<std::optional<std::string>> only_text(const Request& request, const std::string& key) {
  auto document = parse_body(request.body);
  if (!document) return std::unexpected(to_response(request, document.error()));
  BodyReader body(*document);
  auto text = body.string(key);
  if (!text) return std::unexpected(to_response(request, text.error()));
  if (auto done = body.finish(); !done) return std::unexpected(to_response(request, done.error()));
  return *text != nullptr ? std::optional(**text) : std::nullopt;
}

OrResponse<std::vector<std::string>> risks(const Request& request, std::vector<std::string> codes,
                                           const std::string& pointer) {
  for (const auto& code : codes) {
    if (std::ranges::find(handoff::evidence_codes(), code) == handoff::evidence_codes().end()) {
      return std::unexpected(bad_request(
          request, "invalid_value", pointer,
          "'" + code.substr(0, 64) + "' is not the code of a risk" + hint(code, handoff::evidence_codes())));
    }
  }
  return codes;
}

OrResponse<handoff::Scope> scope_named(const Request& request, const std::string& text, const std::string& pointer) {
  if (text == "device") return handoff::Scope::Device;
  if (text == "group") return handoff::Scope::Group;
  return std::unexpected(bad_request(request, "invalid_value", pointer, "the scope must be \"device\" or \"group\""));
}

OrResponse<std::optional<std::uint16_t>> id_value(const Request& request, const std::optional<std::string>& text,
                                                  const std::string& pointer) {
  if (!text) return std::nullopt;
  const auto value = sysfs::id_from(*text);
  if (!value) {
    return std::unexpected(
        bad_request(request, "invalid_value", pointer, "an ID is four lower-case hex digits, such as 8086"));
  }
  return value;
}

OrResponse<Paging> paging(const Request& request, QueryReader& query) {
  Paging result;
  auto size = query.number("page_size", 1, 1000);
  if (!size) return std::unexpected(to_response(request, size.error()));
  auto token = query.one("page_token");
  if (!token) return std::unexpected(to_response(request, token.error()));
  result.size = size->value_or(1000);
  result.after = token->value_or("");
  return result;
}

std::expected<nlohmann::json, QueryError> page(const std::vector<std::pair<std::string, nlohmann::json>>& items,
                                               const Paging& paging) {
  nlohmann::json document = {{"items", nlohmann::json::array()}, {"next_page_token", nullptr}};
  auto at = items.begin();
  if (!paging.after.empty()) {
    at = std::ranges::find_if(items, [&](const auto& item) { return item.first == paging.after; });
    if (at == items.end()) {
      return std::unexpected(
          QueryError{"invalid_value", "?page_token",
                     "the item that the page token names is not in the list (any more): begin again without a token"});
    }
    ++at;
  }
  for (; at != items.end() && document["items"].size() < paging.size; ++at) document["items"].push_back(at->second);
  if (at != items.end() && at != items.begin()) document["next_page_token"] = std::prev(at)->first;
  return document;
}

bool wants_text(const Request& request) {
  return preferred(request.accept, {{"application", "json"}, {"text", "plain"}}) == 1;
}

}  // namespace devbindd::api

// SPDX-License-Identifier: Apache-2.0
#include "api/http/parameters.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "api/http/media_ranges.hpp"
#include "api/http/nearest_word.hpp"
#include "handoff/model/vfio_driver.hpp"

namespace devbindd::api {

namespace {

constexpr std::size_t max_risks = 32;
constexpr std::size_t max_fields = 64;

void check_risk(const std::string& code, std::string pointer, Mistakes& mistakes) {
  const auto& known = handoff::evidence_codes();
  if (std::ranges::find(known, code) == known.end())
    mistakes.add("invalid_value", std::move(pointer),
                 "'" + code.substr(0, 64) + "' is not the code of a risk" + hint(code, known));
}

}  // namespace

Response to_response(const Request& request, const Mistakes& mistakes) { return bad_request(request, mistakes.list()); }

sysfs::PciAddress address_parameter(const std::string& text, Mistakes& mistakes) {
  auto address = sysfs::parse_pci_address(text);
  if (!address) mistakes.add(std::string(sysfs::name_of(address.error().code)), "{bdf}", address.error().message);
  return address.value_or(sysfs::PciAddress{});
}

sysfs::DriverName driver_parameter(const std::string& text, Mistakes& mistakes) {
  auto name = sysfs::DriverName::parse(text);
  if (!name) mistakes.add(std::string(sysfs::name_of(name.error().code)), "{name}", name.error().message);
  return name.value_or(handoff::default_vfio_driver());
}

std::optional<Response> refuse_parameters(const Request& request) {
  Mistakes mistakes;
  QueryReader(request.query, mistakes).finish();
  return mistakes.none() ? std::nullopt : std::optional(to_response(request, mistakes));
}

OrResponse<sysfs::PciAddress> only_address(const Request& request, const std::string& text) {
  Mistakes mistakes;
  const auto address = address_parameter(text, mistakes);
  QueryReader(request.query, mistakes).finish();
  if (!mistakes.none()) return std::unexpected(to_response(request, mistakes));
  return address;
}

nlohmann::json body_of(const Request& request, Mistakes& mistakes) {
  auto document = parse_body(request.body);
  if (document) return std::move(*document);
  mistakes.add(document.error());
  return nullptr;
}

std::optional<std::string> only_text(const Request& request, const std::string& key, Mistakes& mistakes) {
  const auto document = body_of(request, mistakes);
  BodyReader body(document, mistakes);
  const auto* text = body.string(key);
  body.finish();
  return text != nullptr ? std::optional(*text) : std::nullopt;
}

std::string key_of(const Request& request, Mistakes& mistakes) {
  constexpr std::size_t longest = 128;
  if (request.idempotency_key.size() > longest)
    mistakes.add("invalid_value",
                 "Idempotency-Key:", "the Idempotency-Key has more than " + std::to_string(longest) + " characters");
  return request.idempotency_key;
}

bool is_uuid(std::string_view text) {
  constexpr std::string_view shape = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
  return std::ranges::equal(text, shape, [](char character, char place) {
    const bool hex = (character >= '0' && character <= '9') || (character >= 'a' && character <= 'f') ||
                     (character >= 'A' && character <= 'F');
    return place == 'x' ? hex : character == place;
  });
}

std::vector<std::string> risks(BodyReader& body) {
  auto codes = body.strings("accept_risks", max_risks);
  for (std::size_t at = 0; at < codes.size(); ++at)
    check_risk(codes[at], body.pointer("accept_risks") + "/" + std::to_string(at), body.mistakes());
  return codes;
}

std::vector<std::string> risks(QueryReader& query) {
  auto codes = query.all("accept_risks");
  for (const auto& code : codes) check_risk(code, "?accept_risks", query.mistakes());
  return codes;
}

std::optional<handoff::Scope> scope_named(const std::string& text, const std::string& pointer, Mistakes& mistakes) {
  if (text == "device") return handoff::Scope::Device;
  if (text == "group") return handoff::Scope::Group;
  mistakes.add("invalid_value", pointer, "the scope must be \"device\" or \"group\"");
  return std::nullopt;
}

Paging paging(QueryReader& query) {
  Paging result;
  result.size = query.number("page_size", 1, 1000).value_or(1000);
  result.after = query.one("page_token").value_or("");
  result.fields = fields_parameter(query);
  result.count = query.flag("count");
  return result;
}

OrResponse<Paging> only_paging(const Request& request) {
  Mistakes mistakes;
  QueryReader query(request.query, mistakes);
  auto wanted = paging(query);
  query.finish();
  if (!mistakes.none()) return std::unexpected(to_response(request, mistakes));
  return wanted;
}

std::vector<std::string> fields_parameter(QueryReader& query) {
  auto fields = query.all("fields");
  if (fields.size() > max_fields)
    query.wrong("fields", "'fields' has at most " + std::to_string(max_fields) + " names");
  return fields;
}

std::optional<Response> keep_fields(const Request& request, const std::vector<std::string>& fields,
                                    nlohmann::json& document) {
  if (fields.empty()) return std::nullopt;
  auto kept = nlohmann::json::object();
  Mistakes mistakes;
  for (const auto& field : fields) {
    if (document.contains(field)) {
      kept[field] = document[field];
      continue;
    }
    std::vector<std::string> known;
    for (const auto& [key, value] : document.items()) known.push_back(key);
    mistakes.add("invalid_value", "?fields",
                 "there is no member '" + field.substr(0, 64) + "' in the answer" + hint(field, known));
  }
  if (!mistakes.none()) return to_response(request, mistakes);
  document = std::move(kept);
  return std::nullopt;
}

OrResponse<nlohmann::json> page(const Request& request,
                                const std::vector<std::pair<std::string, nlohmann::json>>& items,
                                const Paging& paging) {
  nlohmann::json document = {{"items", nlohmann::json::array()}, {"next_page_token", nullptr}};
  if (paging.count) document["total"] = items.size();
  auto at = items.begin();
  if (!paging.after.empty()) {
    at = std::ranges::find_if(items, [&](const auto& item) { return item.first == paging.after; });
    if (at == items.end()) {
      return std::unexpected(
          bad_request(request, "invalid_value", "?page_token",
                      "the item that the page token names is not in the list (any more): begin again without a token"));
    }
    ++at;
  }
  for (; at != items.end() && document["items"].size() < paging.size; ++at) document["items"].push_back(at->second);
  if (at != items.end() && at != items.begin()) document["next_page_token"] = std::prev(at)->first;
  if (wants_text(request)) return document;
  for (auto& item : document["items"]) {
    if (auto refusal = keep_fields(request, paging.fields, item)) return std::unexpected(std::move(*refusal));
  }
  return document;
}

bool wants_text(const Request& request) {
  return preferred(request.accept, {{"application", "json"}, {"text", "plain"}}) == 1;
}

}  // namespace devbindd::api

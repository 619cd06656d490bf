#include "api/claim_request.hpp"

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>

#include "api/selector_body.hpp"

namespace devbindd::api {
namespace {

using handoff::ClaimRequest;
using nlohmann::json;

constexpr std::size_t max_devices = 64;
constexpr std::size_t max_owners = 16;
constexpr std::size_t max_risks = 32;
constexpr std::size_t max_key_size = 128;
constexpr std::uint64_t max_dma_memory = 1UL << 52U;  // more than processors of today can address
constexpr std::uint64_t max_address_spaces = 1024;
constexpr std::uint64_t max_grace = 24UL * 3600;
constexpr std::uint64_t max_ttl = 30UL * 24 * 3600;

std::unexpected<Response> wrong(const Request& request, const std::string& pointer, const std::string& detail) {
  return std::unexpected(bad_request(request, "invalid_value", pointer, detail));
}

OrResponse<std::vector<sysfs::PciAddress>> read_devices(const Request& request, BodyReader& body) {
  auto texts = body.strings("devices", max_devices);
  if (!texts) return std::unexpected(to_response(request, texts.error()));
  if (texts->empty() && body.find("devices") != nullptr)
    return wrong(request, body.pointer("devices"), "\"devices\" names none");
  std::vector<sysfs::PciAddress> addresses;
  for (std::size_t at = 0; at < texts->size(); ++at) {
    const auto pointer = body.pointer("devices") + "/" + std::to_string(at);
    auto address = sysfs::parse_pci_address((*texts)[at]);
    if (!address) return wrong(request, pointer, address.error().message);
    if (std::ranges::find(addresses, *address) != addresses.end())
      return wrong(request, pointer, "the device stands twice in the list");
    addresses.push_back(*address);
  }
  return addresses;
}

// "users": ["vmm", 1000]
OrResponse<bool> read_owners(const Request& request, BodyReader& body, const std::string& key,
                             std::vector<std::string>& names, std::vector<unsigned>& ids) {
  const auto* list = body.find(key);
  if (list == nullptr) return true;
  if (!list->is_array() || list->size() > max_owners)
    return wrong(request, body.pointer(key),
                 "\"" + key + "\" must be an array of at most " + std::to_string(max_owners) + " names or numbers");
  for (std::size_t at = 0; at < list->size(); ++at) {
    const auto& item = (*list)[at];
    const auto pointer = body.pointer(key) + "/" + std::to_string(at);
    // The largest number means "no change" to chown(2) and setfacl alike.
    const bool number =
        item.is_number_unsigned() && item.get<std::uint64_t>() < std::numeric_limits<std::uint32_t>::max();
    const auto* name = item.get_ptr<const std::string*>();
    const bool named =
        name != nullptr && !name->empty() && name->size() <= 256 && name->find('\0') == std::string::npos;
    if (!number && !named) return wrong(request, pointer, "an owner is a name of at most 256 bytes, or a number");
    if (number) ids.push_back(item.get<unsigned>());
    if (named) names.push_back(*name);
  }
  return true;
}

OrResponse<handoff::NodeOwner> read_owner(const Request& request, BodyReader& body) {
  handoff::NodeOwner owner;
  const auto* document = body.find("owner");
  if (document == nullptr) return owner;
  const auto pointer = body.pointer("owner");
  if (!document->is_object()) return wrong(request, pointer, "\"owner\" must be an object");
  BodyReader reader(*document, pointer);
  auto users = read_owners(request, reader, "users", owner.users, owner.uids);
  if (!users) return std::unexpected(users.error());
  auto groups = read_owners(request, reader, "groups", owner.groups, owner.gids);
  if (!groups) return std::unexpected(groups.error());
  if (auto done = reader.finish(); !done) return std::unexpected(to_response(request, done.error()));
  return owner;
}

// "auto", or a driver that hands devices to user space by VFIO.
OrResponse<std::optional<sysfs::DriverName>> read_vfio_driver(const Request& request, BodyReader& body) {
  auto text = body.string("driver");
  if (!text) return std::unexpected(to_response(request, text.error()));
  if (*text == nullptr || **text == "auto") return std::nullopt;
  auto name = sysfs::DriverName::parse(**text);
  if (!name) return wrong(request, body.pointer("driver"), name.error().message);
  if (!sysfs::is_vfio_driver(*name))
    return wrong(request, body.pointer("driver"), "a claim is for VFIO: \"auto\", vfio-pci, or a variant of it");
  return *name;
}

OrResponse<handoff::ReleaseReset> read_reset(const Request& request, BodyReader& body) {
  auto text = body.string("reset");
  if (!text) return std::unexpected(to_response(request, text.error()));
  if (*text == nullptr) return handoff::ReleaseReset::Auto;
  const auto reset = handoff::release_reset_named(**text);
  if (!reset) return wrong(request, body.pointer("reset"), "\"reset\" must be auto, required or none");
  return *reset;
}

OrResponse<std::vector<std::string>> read_accepted(const Request& request, BodyReader& body) {
  auto codes = body.strings("accept_risks", max_risks);
  if (!codes) return std::unexpected(to_response(request, codes.error()));
  return risks(request, std::move(*codes), body.pointer("accept_risks"));
}

}  // namespace

OrResponse<ClaimRequest> read_claim_request(const Request& request) {
  auto document = parse_body(request.body);
  if (!document) return std::unexpected(to_response(request, document.error()));
  BodyReader body(*document);
  ClaimRequest claim;
  auto devices = read_devices(request, body);
  if (!devices) return std::unexpected(devices.error());
  const auto* selector = body.find("selector");
  if (devices->empty() == (selector == nullptr)) {
    return std::unexpected(bad_request(request, selector == nullptr ? "missing_field" : "invalid_value", "/devices",
                                       "a claim needs either \"devices\" or a \"selector\""));
  }
  if (selector != nullptr) {
    auto read = read_selector(*selector, "/selector");
    if (!read) return std::unexpected(to_response(request, read.error()));
    claim.selector = std::move(*read);
  }
  auto driver = read_vfio_driver(request, body);
  if (!driver) return std::unexpected(driver.error());
  auto owner = read_owner(request, body);
  if (!owner) return std::unexpected(owner.error());
  auto ttl = read_number(body, "ttl_seconds", 1, max_ttl);
  if (!ttl) return std::unexpected(to_response(request, ttl.error()));
  auto pid = read_number(body, "pid", 1, std::numeric_limits<std::int32_t>::max());
  if (!pid) return std::unexpected(to_response(request, pid.error()));
  auto while_connected = body.boolean("while_connected", false);
  if (!while_connected) return std::unexpected(to_response(request, while_connected.error()));
  if (*while_connected && request.requester.transport != "unix")
    return wrong(request, body.pointer("while_connected"), "only a connection to the Unix socket can hold a claim");
  auto grace = read_number(body, "grace_seconds", 0, max_grace);
  if (!grace) return std::unexpected(to_response(request, grace.error()));
  auto reset = read_reset(request, body);
  if (!reset) return std::unexpected(reset.error());
  auto restore = body.boolean("restore", true);
  if (!restore) return std::unexpected(to_response(request, restore.error()));
  if (const auto* given = body.find("labels")) {
    auto labels = read_labels(*given, body.pointer("labels"));
    if (!labels) return std::unexpected(to_response(request, labels.error()));
    claim.labels = std::move(*labels);
  }
  auto accepted = read_accepted(request, body);
  if (!accepted) return std::unexpected(accepted.error());
  if (auto done = body.finish(); !done) return std::unexpected(to_response(request, done.error()));
  if (request.idempotency_key.size() > max_key_size)
    return wrong(request, "", "the Idempotency-Key has more than " + std::to_string(max_key_size) + " characters");
  claim.devices = std::move(*devices);
  claim.driver = std::move(*driver);
  claim.owner = std::move(*owner);
  if (*ttl) claim.ttl = std::chrono::seconds(**ttl);
  if (*pid) claim.pid = static_cast<std::int32_t>(**pid);
  claim.while_connected = *while_connected;
  if (*grace) claim.grace = std::chrono::seconds(**grace);
  claim.reset = *reset;
  claim.restore = *restore;
  claim.accept_risks = std::move(*accepted);
  claim.idempotency_key = request.idempotency_key;
  return claim;
}

OrResponse<std::optional<handoff::DescriptorWay>> read_descriptor_way(const Request& request) {
  auto text = only_text(request, "way");
  if (!text) return std::unexpected(std::move(text.error()));
  if (!*text) return std::nullopt;
  const auto way = handoff::descriptor_way_named(**text);
  if (!way) return wrong(request, "/way", "\"way\" must be group or cdev");
  return way;
}

OrResponse<handoff::DmaMemoryQuestion> read_dma_memory(const Request& request) {
  auto document = parse_body(request.body);
  if (!document) return std::unexpected(to_response(request, document.error()));
  BodyReader body(*document);
  auto bytes = read_number(body, "dma_memory_bytes", 0, max_dma_memory);
  if (!bytes) return std::unexpected(to_response(request, bytes.error()));
  auto pid = read_number(body, "pid", 1, std::numeric_limits<std::int32_t>::max());
  if (!pid) return std::unexpected(to_response(request, pid.error()));
  auto spaces = read_number(body, "address_spaces", 1, max_address_spaces);
  if (!spaces) return std::unexpected(to_response(request, spaces.error()));
  auto way = body.string("way");
  if (!way) return std::unexpected(to_response(request, way.error()));
  auto raise = body.boolean("raise", false);
  if (!raise) return std::unexpected(to_response(request, raise.error()));
  if (auto done = body.finish(); !done) return std::unexpected(to_response(request, done.error()));
  if (!*bytes)
    return std::unexpected(bad_request(request, "missing_field", "/dma_memory_bytes",
                                       "the body needs \"dma_memory_bytes\": how much the consumer maps"));
  handoff::DmaMemoryQuestion question{
      .bytes = **bytes, .address_spaces = static_cast<unsigned>(spaces->value_or(1)), .raise = *raise};
  if (*pid) question.pid = static_cast<std::int32_t>(**pid);
  if (*way == nullptr) return question;
  question.way = handoff::descriptor_way_named(**way);
  if (!question.way) return wrong(request, body.pointer("way"), "\"way\" must be group or cdev");
  return question;
}

OrResponse<std::optional<std::chrono::seconds>> read_renewal(const Request& request) {
  auto document = parse_body(request.body);
  if (!document) return std::unexpected(to_response(request, document.error()));
  BodyReader body(*document);
  auto ttl = read_number(body, "ttl_seconds", 1, max_ttl);
  if (!ttl) return std::unexpected(to_response(request, ttl.error()));
  if (auto done = body.finish(); !done) return std::unexpected(to_response(request, done.error()));
  if (!*ttl) return std::nullopt;
  return std::chrono::seconds(**ttl);
}

}  // namespace devbindd::api

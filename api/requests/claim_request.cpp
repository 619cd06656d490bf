// SPDX-License-Identifier: Apache-2.0
#include "api/requests/claim_request.hpp"

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>

#include "api/requests/selector_body.hpp"

namespace devbindd::api {
namespace {

using handoff::ClaimRequest;
using nlohmann::json;

constexpr std::size_t max_devices = 64;
constexpr std::size_t max_owners = 16;
constexpr std::uint64_t max_dma_memory = 1UL << 52U;  // more than processors of today can address
constexpr std::uint64_t max_address_spaces = 1024;
constexpr std::uint64_t max_grace = 24UL * 3600;
constexpr std::uint64_t max_ttl = 30UL * 24 * 3600;
constexpr std::uint64_t largest_pid = std::numeric_limits<std::int32_t>::max();

std::vector<sysfs::PciAddress> read_devices(BodyReader& body) {
  const auto texts = body.strings("devices", max_devices);
  std::vector<sysfs::PciAddress> addresses;
  for (std::size_t at = 0; at < texts.size(); ++at) {
    const auto pointer = body.pointer("devices") + "/" + std::to_string(at);
    const auto address = sysfs::parse_pci_address(texts[at]);
    if (!address) {
      body.mistakes().add("invalid_value", pointer, address.error().message);
    } else if (std::ranges::find(addresses, *address) != addresses.end()) {
      body.mistakes().add("invalid_value", pointer, "the device stands twice in the list");
    } else {
      addresses.push_back(*address);
    }
  }
  return addresses;
}

// Either "devices" or a "selector".
void read_wanted(BodyReader& body, ClaimRequest& claim) {
  claim.devices = read_devices(body);
  const auto* devices = body.find("devices");
  const auto* selector = body.find("selector");
  if (devices == nullptr && selector == nullptr)
    return body.missing("devices", "a claim needs either \"devices\" or a \"selector\"");
  if (devices != nullptr && selector != nullptr)
    body.wrong("devices", "a claim has either \"devices\" or a \"selector\", and not both");
  if (devices != nullptr && devices->is_array() && devices->empty()) body.wrong("devices", "\"devices\" names none");
  if (selector != nullptr) claim.selector = read_selector(*selector, body.pointer("selector"), body.mistakes());
}

// "users": ["vmm", 1000]
void read_owners(BodyReader& body, const std::string& key, std::vector<std::string>& names,
                 std::vector<unsigned>& ids) {
  const auto* list = body.find(key);
  if (list == nullptr) return;
  if (!list->is_array() || list->size() > max_owners)
    return body.wrong(
        key, "\"" + key + "\" must be an array of at most " + std::to_string(max_owners) + " names or numbers");
  for (std::size_t at = 0; at < list->size(); ++at) {
    const auto& item = (*list)[at];
    // The largest number means "no change" to chown(2) and setfacl alike.
    const bool number =
        item.is_number_unsigned() && item.get<std::uint64_t>() < std::numeric_limits<std::uint32_t>::max();
    const auto* name = item.get_ptr<const std::string*>();
    const bool named =
        name != nullptr && !name->empty() && name->size() <= 256 && name->find('\0') == std::string::npos;
    if (number) ids.push_back(item.get<unsigned>());
    if (named) names.push_back(*name);
    if (!number && !named)
      body.mistakes().add("invalid_value", body.pointer(key) + "/" + std::to_string(at),
                          "an owner is a name of at most 256 bytes, or a number");
  }
}

handoff::NodeOwner read_owner(BodyReader& body) {
  handoff::NodeOwner owner;
  const auto* document = body.object("owner");
  if (document == nullptr) return owner;
  BodyReader reader(*document, body.mistakes(), body.pointer("owner"));
  read_owners(reader, "users", owner.users, owner.uids);
  read_owners(reader, "groups", owner.groups, owner.gids);
  reader.finish();
  return owner;
}

// "auto", or a driver that hands devices to user space by VFIO.
std::optional<sysfs::DriverName> read_vfio_driver(BodyReader& body) {
  const auto* text = body.string("driver");
  if (text == nullptr || *text == "auto") return std::nullopt;
  auto name = sysfs::DriverName::parse(*text);
  if (name && sysfs::is_vfio_driver(*name)) return *name;
  body.wrong("driver", name ? "a claim is for VFIO: \"auto\", vfio-pci, or a variant of it" : name.error().message);
  return std::nullopt;
}

handoff::ReleaseReset read_reset(BodyReader& body) {
  const auto* text = body.string("reset");
  if (text == nullptr) return handoff::ReleaseReset::Auto;
  const auto reset = handoff::release_reset_named(*text);
  if (!reset) body.wrong("reset", "\"reset\" must be auto, required or none");
  return reset.value_or(handoff::ReleaseReset::Auto);
}

// How long it lasts.
void read_duration(const Request& request, BodyReader& body, ClaimRequest& claim) {
  if (const auto ttl = body.number("ttl_seconds", 1, max_ttl)) claim.ttl = std::chrono::seconds(*ttl);
  if (const auto pid = body.number("pid", 1, largest_pid)) claim.pid = static_cast<std::int32_t>(*pid);
  claim.while_connected = body.boolean("while_connected", false);
  if (claim.while_connected && request.requester.transport != "unix")
    body.wrong("while_connected", "only a connection to the Unix socket can hold a claim");
  if (const auto grace = body.number("grace_seconds", 0, max_grace)) claim.grace = std::chrono::seconds(*grace);
}

std::optional<handoff::DescriptorWay> read_descriptor_way(BodyReader& body) {
  const auto* text = body.string("way");
  if (text == nullptr) return std::nullopt;
  const auto way = handoff::descriptor_way_named(*text);
  if (!way) body.wrong("way", "\"way\" must be group or cdev");
  return way;
}

}  // namespace

ClaimRequest read_claim_request(const Request& request, Mistakes& mistakes) {
  const auto document = body_of(request, mistakes);
  BodyReader body(document, mistakes);
  ClaimRequest claim;
  read_wanted(body, claim);
  claim.driver = read_vfio_driver(body);
  claim.owner = read_owner(body);
  read_duration(request, body, claim);
  claim.reset = read_reset(body);
  claim.restore = body.boolean("restore", true);
  if (const auto* labels = body.find("labels")) claim.labels = read_labels(*labels, body.pointer("labels"), mistakes);
  if (const auto* token = body.string("vf_token")) {
    if (!is_uuid(*token)) body.wrong("vf_token", "\"vf_token\" must be a UUID");
    claim.vf_token = *token;
  }
  claim.accept_risks = risks(body);
  body.finish();
  claim.idempotency_key = key_of(request, mistakes);
  return claim;
}

std::optional<handoff::DescriptorWay> read_descriptor_way(const Request& request, Mistakes& mistakes) {
  const auto document = body_of(request, mistakes);
  BodyReader body(document, mistakes);
  const auto way = read_descriptor_way(body);
  body.finish();
  return way;
}

handoff::DmaMemoryQuestion read_dma_memory(const Request& request, Mistakes& mistakes) {
  const auto document = body_of(request, mistakes);
  BodyReader body(document, mistakes);
  if (!document.contains("dma_memory_bytes"))
    body.missing("dma_memory_bytes", "the body needs \"dma_memory_bytes\": how much the consumer maps");
  handoff::DmaMemoryQuestion question;
  question.bytes = body.number("dma_memory_bytes", 0, max_dma_memory).value_or(0);
  if (const auto pid = body.number("pid", 1, largest_pid)) question.pid = static_cast<std::int32_t>(*pid);
  question.address_spaces = static_cast<unsigned>(body.number("address_spaces", 1, max_address_spaces).value_or(1));
  question.way = read_descriptor_way(body);
  question.raise = body.boolean("raise", false);
  body.finish();
  return question;
}

std::optional<std::chrono::seconds> read_renewal(const Request& request, Mistakes& mistakes) {
  const auto document = body_of(request, mistakes);
  BodyReader body(document, mistakes);
  const auto ttl = body.number("ttl_seconds", 1, max_ttl);
  body.finish();
  return ttl ? std::optional(std::chrono::seconds(*ttl)) : std::nullopt;
}

}  // namespace devbindd::api

#include "api/claim_request.hpp"

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>

namespace devbindd::api {
namespace {

using handoff::ClaimRequest;
using nlohmann::json;

constexpr std::size_t max_devices = 64;
constexpr std::size_t max_owners = 16;
constexpr std::size_t max_labels = 32;
constexpr std::size_t max_label_size = 256;
constexpr std::size_t max_risks = 32;
constexpr std::size_t max_key_size = 128;
constexpr std::uint64_t max_ttl = 30UL * 24 * 3600;

std::unexpected<Response> wrong(const Request& request, const std::string& pointer, const std::string& detail) {
  return std::unexpected(bad_request(request, "invalid_value", pointer, detail));
}

OrResponse<std::optional<std::uint64_t>> read_number(const Request& request, BodyReader& body, const std::string& key,
                                                     std::uint64_t least, std::uint64_t most) {
  const auto* value = body.find(key);
  if (value == nullptr) return std::nullopt;
  const bool fits =
      value->is_number_unsigned() && value->get<std::uint64_t>() >= least && value->get<std::uint64_t>() <= most;
  if (!fits) {
    return wrong(
        request, body.pointer(key),
        "\"" + key + "\" must be a whole number from " + std::to_string(least) + " to " + std::to_string(most));
  }
  return value->get<std::uint64_t>();
}

OrResponse<std::string> read_text(const Request& request, BodyReader& body, const std::string& key) {
  auto text = body.string(key);
  if (!text) return std::unexpected(to_response(request, text.error()));
  return *text != nullptr ? **text : std::string{};
}

OrResponse<std::optional<std::uint16_t>> read_id(const Request& request, BodyReader& body, const std::string& key) {
  auto text = body.string(key);
  if (!text) return std::unexpected(to_response(request, text.error()));
  return id_value(request, *text != nullptr ? std::optional(**text) : std::nullopt, body.pointer(key));
}

OrResponse<std::vector<sysfs::PciAddress>> read_devices(const Request& request, BodyReader& body) {
  auto texts = body.strings("devices", max_devices);
  if (!texts) return std::unexpected(to_response(request, texts.error()));
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

OrResponse<std::string> read_class(const Request& request, BodyReader& body) {
  auto text = read_text(request, body, "class");
  if (!text || text->empty()) return text;
  const bool digits = text->find_first_not_of("0123456789abcdef") == std::string::npos;
  if (digits && (text->size() == 2 || text->size() == 4 || text->size() == 6)) return text;
  return wrong(request, body.pointer("class"), "a class is two, four or six lower-case hex digits, such as 0200");
}

OrResponse<std::string> read_category(const Request& request, BodyReader& body) {
  auto text = read_text(request, body, "category");
  if (!text || text->empty() || is_category(*text)) return text;
  return wrong(request, body.pointer("category"), "there is no category '" + text->substr(0, 64) + "'");
}

OrResponse<std::string> read_current_driver(const Request& request, BodyReader& body) {
  auto text = read_text(request, body, "driver");
  if (!text || text->empty()) return text;
  if (auto name = sysfs::DriverName::parse(*text); !name)
    return wrong(request, body.pointer("driver"), name.error().message);
  return text;
}

OrResponse<handoff::Selector> read_selector(const Request& request, const json& document, const std::string& pointer) {
  if (!document.is_object()) return wrong(request, pointer, "\"selector\" must be an object");
  BodyReader body(document, pointer);
  handoff::Selector selector;
  auto vendor = read_id(request, body, "vendor");
  if (!vendor) return std::unexpected(vendor.error());
  auto device = read_id(request, body, "device");
  if (!device) return std::unexpected(device.error());
  auto class_prefix = read_class(request, body);
  if (!class_prefix) return std::unexpected(class_prefix.error());
  auto category = read_category(request, body);
  if (!category) return std::unexpected(category.error());
  auto driver = read_current_driver(request, body);
  if (!driver) return std::unexpected(driver.error());
  auto numa_node = read_number(request, body, "numa_node", 0, std::numeric_limits<std::int32_t>::max());
  if (!numa_node) return std::unexpected(numa_node.error());
  auto physfn = body.string("physfn");
  if (!physfn) return std::unexpected(to_response(request, physfn.error()));
  auto count = read_number(request, body, "count", 1, max_devices);
  if (!count) return std::unexpected(count.error());
  if (auto done = body.finish(); !done) return std::unexpected(to_response(request, done.error()));
  if (*physfn != nullptr) {
    auto address = sysfs::parse_pci_address(**physfn);
    if (!address) return wrong(request, body.pointer("physfn"), address.error().message);
    selector.physfn = *address;
  }
  selector.vendor = *vendor;
  selector.device = *device;
  selector.class_prefix = *class_prefix;
  selector.category = *category;
  selector.driver = *driver;
  if (*numa_node) selector.numa_node = static_cast<unsigned>(**numa_node);
  selector.count = static_cast<unsigned>(count->value_or(1));
  if (document.empty() || (document.size() == 1 && document.contains("count")))
    return wrong(request, pointer, "a selector needs something to select by");
  return selector;
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
    if (!number && !named) return wrong(request, pointer, "an owner is a name or a number");
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

OrResponse<std::map<std::string, std::string>> read_labels(const Request& request, BodyReader& body) {
  std::map<std::string, std::string> labels;
  const auto* document = body.find("labels");
  if (document == nullptr) return labels;
  const auto pointer = body.pointer("labels");
  if (!document->is_object() || document->size() > max_labels)
    return wrong(request, pointer,
                 "\"labels\" must be an object with at most " + std::to_string(max_labels) + " members");
  for (const auto& [key, value] : document->items()) {
    const auto* text = value.get_ptr<const std::string*>();
    if (text == nullptr || text->size() > max_label_size || key.empty() || key.size() > max_label_size)
      return wrong(request, pointer + pointer_to(key),
                   "a label and its value are texts of at most " + std::to_string(max_label_size) + " bytes");
    labels.emplace(key, *text);
  }
  return labels;
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
    auto read = read_selector(request, *selector, "/selector");
    if (!read) return std::unexpected(read.error());
    claim.selector = std::move(*read);
  }
  auto driver = read_vfio_driver(request, body);
  if (!driver) return std::unexpected(driver.error());
  auto owner = read_owner(request, body);
  if (!owner) return std::unexpected(owner.error());
  auto ttl = read_number(request, body, "ttl_seconds", 1, max_ttl);
  if (!ttl) return std::unexpected(ttl.error());
  auto pid = read_number(request, body, "pid", 1, std::numeric_limits<std::int32_t>::max());
  if (!pid) return std::unexpected(pid.error());
  auto restore = body.boolean("restore", true);
  if (!restore) return std::unexpected(to_response(request, restore.error()));
  auto labels = read_labels(request, body);
  if (!labels) return std::unexpected(labels.error());
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
  claim.restore = *restore;
  claim.labels = std::move(*labels);
  claim.accept_risks = std::move(*accepted);
  claim.idempotency_key = request.idempotency_key;
  return claim;
}

OrResponse<std::optional<std::chrono::seconds>> read_renewal(const Request& request) {
  auto document = parse_body(request.body);
  if (!document) return std::unexpected(to_response(request, document.error()));
  BodyReader body(*document);
  auto ttl = read_number(request, body, "ttl_seconds", 1, max_ttl);
  if (!ttl) return std::unexpected(ttl.error());
  if (auto done = body.finish(); !done) return std::unexpected(to_response(request, done.error()));
  if (!*ttl) return std::nullopt;
  return std::chrono::seconds(**ttl);
}

}  // namespace devbindd::api

#include "api/selector_body.hpp"

#include <limits>
#include <nlohmann/json.hpp>

namespace devbindd::api {
namespace {

using nlohmann::json;

constexpr std::uint64_t max_count = 64;

std::unexpected<BodyError> wrong(std::string pointer, std::string detail) {
  return std::unexpected(BodyError{"invalid_value", std::move(pointer), std::move(detail)});
}

// A text that `valid` accepts; "" when the key is absent.
template <class Valid>
std::expected<std::string, BodyError> read_text(BodyReader& body, const std::string& key, Valid valid,
                                                const std::string& rule) {
  auto text = body.string(key);
  if (!text) return std::unexpected(text.error());
  if (*text == nullptr) return std::string{};
  if (!valid(**text)) return wrong(body.pointer(key), rule);
  return **text;
}

std::expected<std::optional<std::uint16_t>, BodyError> read_id(BodyReader& body, const std::string& key) {
  const auto is_id = [](const std::string& text) { return sysfs::id_from(text).has_value(); };
  auto text = read_text(body, key, is_id, "an ID is four lower-case hex digits, such as 8086");
  if (!text) return std::unexpected(text.error());
  return sysfs::id_from(*text);
}

bool is_driver(const std::string& text) { return sysfs::DriverName::parse(text).has_value(); }

constexpr std::size_t max_label = 256;
constexpr std::size_t max_labels = 32;
bool is_label(const std::string& text) { return !text.empty() && text.size() <= max_label; }

// GT/s; more than any generation of PCI Express has is a mistake.
std::expected<std::optional<double>, BodyError> read_speed(BodyReader& body) {
  constexpr double most = 1024;
  const auto* value = body.find("link_speed");
  if (value == nullptr) return std::nullopt;
  if (value->is_number() && value->get<double>() > 0 && value->get<double>() <= most) return value->get<double>();
  return wrong(body.pointer("link_speed"), "\"link_speed\" must be a number of GT/s, such as 8 or 16");
}

bool is_address(const std::string& text) { return sysfs::parse_pci_address(text).has_value(); }

}  // namespace

std::expected<std::optional<std::uint64_t>, BodyError> read_number(BodyReader& body, const std::string& key,
                                                                   std::uint64_t least, std::uint64_t most) {
  const auto* value = body.find(key);
  if (value == nullptr) return std::nullopt;
  const bool fits =
      value->is_number_unsigned() && value->get<std::uint64_t>() >= least && value->get<std::uint64_t>() <= most;
  if (fits) return value->get<std::uint64_t>();
  return wrong(body.pointer(key),
               "\"" + key + "\" must be a whole number from " + std::to_string(least) + " to " + std::to_string(most));
}

std::expected<handoff::Labels, BodyError> read_labels(const json& document, const std::string& pointer) {
  if (!document.is_object() || document.size() > max_labels)
    return wrong(pointer, "\"labels\" must be an object with at most " + std::to_string(max_labels) + " members");
  handoff::Labels labels;
  for (const auto& [key, value] : document.items()) {
    const auto* text = value.get_ptr<const std::string*>();
    if (text == nullptr || text->size() > max_label || key.empty() || key.size() > max_label)
      return wrong(pointer + pointer_to(key),
                   "a label and its value are texts of at most " + std::to_string(max_label) + " bytes");
    labels.emplace(key, *text);
  }
  return labels;
}

std::expected<handoff::Selector, BodyError> read_selector(const json& document, const std::string& pointer) {
  if (!document.is_object()) return wrong(pointer, "a selector must be an object");
  BodyReader body(document, pointer);
  auto vendor = read_id(body, "vendor");
  if (!vendor) return std::unexpected(vendor.error());
  auto device = read_id(body, "device");
  if (!device) return std::unexpected(device.error());
  auto subsystem_vendor = read_id(body, "subsystem_vendor");
  if (!subsystem_vendor) return std::unexpected(subsystem_vendor.error());
  auto subsystem_device = read_id(body, "subsystem_device");
  if (!subsystem_device) return std::unexpected(subsystem_device.error());
  auto class_prefix =
      read_text(body, "class", sysfs::is_class_prefix, "a class is two, four or six lower-case hex digits: 0200");
  if (!class_prefix) return std::unexpected(class_prefix.error());
  auto category = read_text(body, "category", sysfs::is_category, "there is no such category of devices");
  if (!category) return std::unexpected(category.error());
  auto driver = read_text(body, "driver", is_driver, "this is no name of a driver");
  if (!driver) return std::unexpected(driver.error());
  auto numa_node = read_number(body, "numa_node", 0, std::numeric_limits<std::int32_t>::max());
  if (!numa_node) return std::unexpected(numa_node.error());
  auto physfn = read_text(body, "physfn", is_address, "\"physfn\" must be a PCI address");
  if (!physfn) return std::unexpected(physfn.error());
  auto address = read_text(body, "address", is_address, "\"address\" must be a PCI address");
  if (!address) return std::unexpected(address.error());
  auto label = read_text(body, "label", is_label, "a label has 1 to 256 bytes");
  if (!label) return std::unexpected(label.error());
  auto link_speed = read_speed(body);
  if (!link_speed) return std::unexpected(link_speed.error());
  handoff::Labels wanted;
  if (const auto* labels = body.find("labels")) {
    auto read = read_labels(*labels, body.pointer("labels"));
    if (!read) return std::unexpected(read.error());
    if (read->empty()) return wrong(body.pointer("labels"), "\"labels\" must name at least one");
    wanted = std::move(*read);
  }
  auto same_switch = body.boolean("same_switch", false);
  if (!same_switch) return std::unexpected(same_switch.error());
  auto count = read_number(body, "count", 1, max_count);
  if (!count) return std::unexpected(count.error());
  if (auto done = body.finish(); !done) return std::unexpected(done.error());
  const auto selects_nothing = document.contains("count") + document.contains("same_switch");
  if (document.size() == static_cast<std::size_t>(selects_nothing))
    return wrong(pointer, "a selector needs something to select by");
  handoff::Selector selector{.vendor = *vendor,
                             .device = *device,
                             .subsystem_vendor = *subsystem_vendor,
                             .subsystem_device = *subsystem_device,
                             .class_prefix = *class_prefix,
                             .category = *category,
                             .driver = *driver,
                             .label = *label,
                             .link_speed = *link_speed,
                             .labels = std::move(wanted),
                             .same_switch = *same_switch,
                             .count = static_cast<unsigned>(count->value_or(1))};
  if (*numa_node) selector.numa_node = static_cast<unsigned>(**numa_node);
  if (const auto function = sysfs::parse_pci_address(*physfn)) selector.physfn = *function;
  if (const auto device_address = sysfs::parse_pci_address(*address)) selector.address = *device_address;
  return selector;
}

}  // namespace devbindd::api

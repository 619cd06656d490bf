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

std::expected<handoff::Selector, BodyError> read_selector(const json& document, const std::string& pointer) {
  if (!document.is_object()) return wrong(pointer, "a selector must be an object");
  BodyReader body(document, pointer);
  auto vendor = read_id(body, "vendor");
  if (!vendor) return std::unexpected(vendor.error());
  auto device = read_id(body, "device");
  if (!device) return std::unexpected(device.error());
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
  auto count = read_number(body, "count", 1, max_count);
  if (!count) return std::unexpected(count.error());
  if (auto done = body.finish(); !done) return std::unexpected(done.error());
  if (document.empty() || (document.size() == 1 && document.contains("count")))
    return wrong(pointer, "a selector needs something to select by");
  handoff::Selector selector{.vendor = *vendor,
                             .device = *device,
                             .class_prefix = *class_prefix,
                             .category = *category,
                             .driver = *driver,
                             .count = static_cast<unsigned>(count->value_or(1))};
  if (*numa_node) selector.numa_node = static_cast<unsigned>(**numa_node);
  if (const auto address = sysfs::parse_pci_address(*physfn)) selector.physfn = *address;
  return selector;
}

}  // namespace devbindd::api

// SPDX-License-Identifier: Apache-2.0
#include "api/requests/selector_fields.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "api/http/field_text.hpp"
#include "api/http/nearest_word.hpp"
#include "sysfs/kernel/fields.hpp"

namespace devbindd::api {
namespace {

using handoff::AnyOf;
using handoff::Selector;
using nlohmann::json;

std::string hex_of(std::string_view text) {
  auto digits = lower(text);
  return digits.starts_with("0x") ? digits.substr(2) : digits;
}

// Adds what was read, if something was.
template <class T, class Read>
bool add(AnyOf<T>& alternatives, const Read& read) {
  if (read) alternatives.values.emplace_back(*read);
  return static_cast<bool>(read);
}

template <class T>
bool add_none(AnyOf<std::optional<T>>& alternatives) {
  alternatives.values.emplace_back(std::nullopt);
  return true;
}

template <AnyOf<std::uint16_t> Selector::*Member>
bool take_id(Selector& selector, const std::string& text) {
  return add(selector.*Member, id_named(text));
}

bool take_class(Selector& selector, const std::string& text) {
  const auto digits = hex_of(text);
  return add(selector.class_prefix, sysfs::is_class_prefix(digits) ? std::optional(digits) : std::nullopt);
}

bool take_category(Selector& selector, const std::string& text) {
  const auto word = lower(text);
  const auto& known = sysfs::categories();
  const bool is_one = std::ranges::find(known, word) != known.end();
  return add(selector.category, is_one ? std::optional(word) : std::nullopt);
}

bool take_driver(Selector& selector, const std::string& text) {
  return add(selector.driver, sysfs::DriverName::parse(text) ? std::optional(text) : std::nullopt);
}

template <AnyOf<std::optional<unsigned>> Selector::*Member>
bool take_number(Selector& selector, const std::string& text) {
  if (text == "none") return add_none(selector.*Member);
  constexpr unsigned largest = 0x7fffffff;  // they are ints in the kernel
  const auto number = sysfs::number_from<unsigned>(text);
  return add(selector.*Member, number && *number <= largest ? std::optional(number) : std::nullopt);
}

bool take_address(Selector& selector, const std::string& text) {
  return add(selector.address, sysfs::parse_pci_address(text));
}

bool take_physical_function(Selector& selector, const std::string& text) {
  if (text == "none") return add_none(selector.physfn);
  return add(selector.physfn, sysfs::parse_pci_address(text));
}

std::string category_rule() {
  std::vector<std::string> words(sysfs::categories().begin(), sysfs::categories().end());
  return "the categories of devices are " + sysfs::joined(words, ", ");
}

std::string fault_of(const SelectorField& field, const std::string& text) {
  const auto meant = field.name == "category" ? nearest_word(lower(text), sysfs::categories()) : std::string{};
  return "'" + text.substr(0, 64) + "' is no value that \"" + field.name + "\" can have: " + field.rule +
         (meant.empty() ? "" : ". Did you mean \"" + meant + "\"?");
}

// The text of a member or of an item of one; nullopt where it is neither a text nor, where it may be, a number.
std::optional<std::string> text_of(const json& value, const SelectorField& field) {
  if (const auto* text = value.get_ptr<const std::string*>()) return *text;
  const bool counts = value.is_number_unsigned() || (value.is_number_integer() && value.get<std::int64_t>() >= 0);
  if (field.number && counts) return std::to_string(value.get<std::uint64_t>());
  return std::nullopt;
}

void read_value(const json& value, const SelectorField& field, const std::string& pointer, Mistakes& mistakes,
                Selector& selector) {
  const auto text = text_of(value, field);
  if (!text) return mistakes.add("invalid_value", pointer, "\"" + field.name + "\": " + field.rule);
  if (text->size() <= max_json_text && field.take(selector, *text)) return;
  mistakes.add("invalid_value", pointer, fault_of(field, *text));
}

void read_field(BodyReader& body, const SelectorField& field, Selector& selector) {
  const auto* value = body.find(field.name);
  if (value == nullptr) return;
  if (!value->is_array()) return read_value(*value, field, body.pointer(field.name), body.mistakes(), selector);
  if (value->empty() || value->size() > max_alternatives)
    return body.wrong(field.name, "\"" + field.name + "\" has 1 to " + std::to_string(max_alternatives) + " values");
  for (std::size_t at = 0; at < value->size(); ++at)
    read_value((*value)[at], field, body.pointer(field.name) + "/" + std::to_string(at), body.mistakes(), selector);
}

}  // namespace

std::optional<std::uint16_t> id_named(std::string_view text) { return sysfs::id_from(hex_of(text)); }

const std::vector<SelectorField>& selector_fields() {
  static const std::string id(id_rule);
  static const std::string number = "a number, or \"none\"";
  static const std::vector<SelectorField> list = {
      {"vendor", id, false, take_id<&Selector::vendor>},
      {"device", id, false, take_id<&Selector::device>},
      {"subsystem_vendor", id, false, take_id<&Selector::subsystem_vendor>},
      {"subsystem_device", id, false, take_id<&Selector::subsystem_device>},
      {"class", "a class is two, four or six hex digits, such as 0200", false, take_class},
      {"category", category_rule(), false, take_category},
      {"driver", "the name of a driver, or \"none\"", false, take_driver},
      {"numa_node", number, true, take_number<&Selector::numa_node>},
      {"iommu_group", number, true, take_number<&Selector::iommu_group>},
      {"physfn", "the PCI address of a physical function, or \"none\"", false, take_physical_function},
      {"address", "a PCI address, such as 0000:3b:00.0", false, take_address},
  };
  return list;
}

void read_selector_fields(BodyReader& body, Selector& selector) {
  for (const auto& field : selector_fields()) read_field(body, field, selector);
}

void read_selector_fields(QueryReader& query, Selector& selector) {
  for (const auto& field : selector_fields()) {
    const auto values = query.all(field.name);
    if (values.size() > max_alternatives)
      query.wrong(field.name, "'" + field.name + "' has at most " + std::to_string(max_alternatives) + " values");
    for (const auto& value : values) {
      if (!field.take(selector, value)) query.wrong(field.name, fault_of(field, value));
    }
  }
}

}  // namespace devbindd::api

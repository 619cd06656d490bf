// SPDX-License-Identifier: Apache-2.0
#include "api/requests/selector_body.hpp"

#include <nlohmann/json.hpp>

#include "api/requests/selector_fields.hpp"

namespace devbindd::api {
namespace {

using nlohmann::json;

constexpr std::uint64_t max_count = 64;
constexpr std::size_t max_label = 256;
constexpr std::size_t max_labels = 32;

// GT/s; more than any generation of PCI Express has is a mistake.
std::optional<double> read_speed(BodyReader& body) {
  constexpr double most = 1024;
  const auto* value = body.find("link_speed");
  if (value == nullptr) return std::nullopt;
  if (value->is_number() && value->get<double>() > 0 && value->get<double>() <= most) return value->get<double>();
  body.wrong("link_speed", "\"link_speed\" must be a number of GT/s, such as 8 or 16");
  return std::nullopt;
}

handoff::Labels read_wanted_labels(BodyReader& body) {
  const auto* labels = body.find("labels");
  if (labels == nullptr) return {};
  if (labels->is_object() && labels->empty()) body.wrong("labels", "\"labels\" must name at least one");
  return read_labels(*labels, body.pointer("labels"), body.mistakes());
}

}  // namespace

handoff::Labels read_labels(const json& document, const std::string& pointer, Mistakes& mistakes) {
  handoff::Labels labels;
  if (!document.is_object() || document.size() > max_labels) {
    mistakes.add("invalid_value", pointer,
                 "\"labels\" must be an object with at most " + std::to_string(max_labels) + " members");
    return labels;
  }
  for (const auto& [key, value] : document.items()) {
    const auto* text = value.get_ptr<const std::string*>();
    if (text != nullptr && text->size() <= max_label && !key.empty() && key.size() <= max_label) {
      labels.emplace(key, *text);
    } else {
      mistakes.add("invalid_value", pointer + pointer_to(key),
                   "a label and its value are texts of at most " + std::to_string(max_label) + " bytes");
    }
  }
  return labels;
}

handoff::Selector read_selector(const json& document, const std::string& pointer, Mistakes& mistakes) {
  handoff::Selector selector;
  if (!document.is_object()) {
    mistakes.add("invalid_value", pointer, "a selector must be an object");
    return selector;
  }
  BodyReader body(document, mistakes, pointer);
  read_selector_fields(body, selector);
  if (const auto* label = body.string("label")) {
    if (label->empty()) body.wrong("label", "a label has 1 to 256 bytes");
    selector.label = *label;
  }
  selector.link_speed = read_speed(body);
  selector.labels = read_wanted_labels(body);
  selector.same_switch = body.boolean("same_switch", false);
  selector.count = static_cast<unsigned>(body.number("count", 1, max_count).value_or(1));
  body.finish();
  const auto selects_nothing = document.contains("count") + document.contains("same_switch");
  if (document.size() == static_cast<std::size_t>(selects_nothing))
    mistakes.add("invalid_value", pointer, "a selector needs something to select by");
  return selector;
}

}  // namespace devbindd::api

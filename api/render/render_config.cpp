// SPDX-License-Identifier: Apache-2.0
#include "api/render/render_config.hpp"

#include <array>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "sysfs/config_space/capabilities.hpp"

namespace devbindd::api {
namespace {

using nlohmann::json;
using sysfs::Fields;

std::string hex_number(std::uint64_t value, unsigned digits) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "0x%0*llx", static_cast<int>(digits), static_cast<unsigned long long>(value));
  return text.data();
}

json to_json(const Fields& fields);

struct ValueToJson {
  json operator()(std::monostate) const { return nullptr; }
  json operator()(const sysfs::Hex& hex) const { return hex_number(hex.value, hex.digits); }
  json operator()(const Fields& fields) const { return to_json(fields); }
  json operator()(const std::vector<Fields>& list) const {
    json items = json::array();
    for (const auto& fields : list) items.push_back(to_json(fields));
    return items;
  }
  template <class T>
  json operator()(const T& value) const {
    return value;
  }
};

json to_json(const Fields& fields) {
  json object = json::object();
  for (const auto& field : fields) object[std::string(field.name)] = std::visit(ValueToJson{}, field.value);
  return object;
}

std::string hex_bytes(std::span<const std::byte> bytes, std::string_view between) {
  static constexpr std::string_view digits = "0123456789abcdef";
  std::string text;
  for (const auto byte : bytes) {
    const auto value = std::to_integer<unsigned>(byte);
    if (!text.empty()) text += between;
    text.push_back(digits[value >> 4U]);
    text.push_back(digits[value & 0xfU]);
  }
  return text;
}

std::string base64(std::span<const std::byte> bytes) {
  static constexpr std::string_view alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  for (std::size_t at = 0; at < bytes.size(); at += 3) {
    const auto left = std::min<std::size_t>(3, bytes.size() - at);
    std::uint32_t group = 0;
    for (std::size_t part = 0; part < 3; ++part) {
      group = group << 8U | (part < left ? std::to_integer<std::uint32_t>(bytes[at + part]) : 0U);
    }
    for (std::size_t part = 0; part < 4; ++part) {
      text.push_back(part <= left ? alphabet[(group >> (18 - 6 * part)) & 0x3fU] : '=');
    }
  }
  return text;
}

std::string missing_detail(const sysfs::ConfigSpace& config, sysfs::MissingReason reason) {
  const auto expected = config.file_size.value_or(sysfs::conventional_bytes);
  auto detail = "only the first " + std::to_string(config.bytes.size()) + " of " + std::to_string(expected) + " bytes ";
  detail += reason == sysfs::MissingReason::Privilege
                ? "are shown to a reader without CAP_SYS_ADMIN: the daemon runs without it"
                : "could be read";
  return detail;
}

json render_missing(const sysfs::ConfigSpace& config) {
  const auto reason = sysfs::missing_reason(config);
  if (!reason) return nullptr;
  return {{"code", sysfs::name_of(*reason)}, {"detail", missing_detail(config, *reason)}};
}

json text_or_null(std::string_view text) { return text.empty() ? json(nullptr) : json(text); }

json render_capability(const sysfs::Capability& capability) {
  const auto& header = capability.header;
  const bool extended = header.list == sysfs::ListKind::Extended;
  const unsigned offset_digits = extended ? 3 : 2;
  return {{"id", hex_number(header.id, extended ? 4 : 2)},
          {"name", text_or_null(capability.name)},
          {"title", text_or_null(capability.title)},
          {"version", header.version ? json(*header.version) : json(nullptr)},
          {"offset", hex_number(header.offset, offset_digits)},
          {"next", header.next == 0 ? json(nullptr) : json(hex_number(header.next, offset_digits))},
          {"bytes", hex_bytes(header.bytes, "")},
          {"fields", capability.fields ? to_json(*capability.fields) : json(nullptr)},
          {"truncated", capability.truncated}};
}

json render_list(const std::optional<std::vector<sysfs::Capability>>& list) {
  if (!list) return nullptr;
  json items = json::array();
  for (const auto& capability : *list) items.push_back(render_capability(capability));
  return items;
}

json render_problems(const std::vector<sysfs::ListProblem>& problems) {
  json items = json::array();
  for (const auto& problem : problems) {
    items.push_back({{"code", sysfs::name_of(problem.kind)},
                     {"list", problem.list == sysfs::ListKind::Standard ? "standard" : "extended"},
                     {"offset", hex_number(problem.offset, 3)},
                     {"detail", problem.detail}});
  }
  return items;
}

}  // namespace

json render_config(const sysfs::ConfigSpace& config) {
  const auto report = sysfs::decode_capabilities(config);
  auto missing = render_missing(config);
  return {{"size", config.file_size ? json(*config.file_size) : json(nullptr)},
          {"bytes_read", config.bytes.size()},
          {"complete", missing.is_null()},
          {"missing", std::move(missing)},
          {"data_base64", base64(config.bytes)},
          {"header", to_json(sysfs::decode_header(config).fields)},
          {"capabilities", render_list(report.standard)},
          {"extended_capabilities", render_list(report.extended)},
          {"problems", render_problems(report.problems)}};
}

std::string config_text(const std::string& title, const sysfs::ConfigSpace& config) {
  auto text = title + "\n";
  if (const auto reason = sysfs::missing_reason(config)) text += "(" + missing_detail(config, *reason) + ")\n";
  const std::span<const std::byte> bytes(config.bytes);
  for (std::size_t at = 0; at < bytes.size(); at += 16) {
    text += hex_number(at, 2).substr(2) + ": " +
            hex_bytes(bytes.subspan(at, std::min<std::size_t>(16, bytes.size() - at)), " ") + "\n";
  }
  return text + "\n";
}

}  // namespace devbindd::api

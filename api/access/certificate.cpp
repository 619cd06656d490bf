// SPDX-License-Identifier: Apache-2.0
#include "api/access/certificate.hpp"

#include <algorithm>
#include <array>

namespace devbindd::api {
namespace {

constexpr std::string_view by_fingerprint = "sha256:";
constexpr std::string_view by_dns = "dns:";
constexpr std::size_t hex_digits = 64;
constexpr std::size_t longest_name = 1024;

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

std::optional<std::string> fingerprint_of(std::string_view text) {
  std::string digits(text);
  std::erase(digits, ':');  // as `openssl x509 -fingerprint` prints it
  std::ranges::transform(digits, digits.begin(), lower);
  const bool hex = digits.find_first_not_of("0123456789abcdef") == std::string::npos;
  if (digits.size() != hex_digits || !hex) return std::nullopt;
  return digits;
}

}  // namespace

std::optional<std::string> certificate_name(std::string_view text) {
  if (text.starts_with(by_fingerprint)) {
    const auto digits = fingerprint_of(text.substr(by_fingerprint.size()));
    return digits ? std::optional(std::string(by_fingerprint) + *digits) : std::nullopt;
  }
  constexpr std::array<std::string_view, 3> kinds{by_dns, "uri:", "email:"};
  const auto kind = std::ranges::find_if(kinds, [text](std::string_view one) { return text.starts_with(one); });
  const auto blank = [](char c) { return c <= ' ' || c == '\x7f'; };
  if (kind == kinds.end() || text.size() == kind->size() || text.size() > longest_name ||
      std::ranges::any_of(text, blank))
    return std::nullopt;
  std::string name(text);
  if (*kind == by_dns) std::ranges::transform(name, name.begin(), lower);
  return name;
}

bool is_of(const PeerCertificate& certificate, const std::string& name) {
  if (name.starts_with(by_fingerprint)) return name.substr(by_fingerprint.size()) == certificate.fingerprint;
  return std::ranges::find(certificate.names, name) != certificate.names.end();
}

std::string text_of(const PeerCertificate& certificate) {
  return certificate.names.empty() ? std::string(by_fingerprint) + certificate.fingerprint : certificate.names.front();
}

}  // namespace devbindd::api

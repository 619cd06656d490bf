// SPDX-License-Identifier: Apache-2.0
#include "api/access/token.hpp"

#include <openssl/crypto.h>
#include <openssl/sha.h>

#include <algorithm>
#include <charconv>

namespace devbindd::api {

std::optional<TokenDigest> token_digest_named(std::string_view text) {
  constexpr std::string_view prefix = "sha256:";
  TokenDigest digest{};
  if (!text.starts_with(prefix) || text.size() != prefix.size() + 2 * digest.size()) return std::nullopt;
  text.remove_prefix(prefix.size());
  for (auto& byte : digest) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + 2, byte, 16);
    if (error != std::errc() || end != text.data() + 2) return std::nullopt;
    text.remove_prefix(2);
  }
  return digest;
}

bool is_token(std::string_view token, const TokenDigest& digest) {
  TokenDigest found{};
  ::SHA256(reinterpret_cast<const unsigned char*>(token.data()), token.size(), found.data());
  return ::CRYPTO_memcmp(found.data(), digest.data(), digest.size()) == 0;
}

std::string bearer_token(std::string_view authorization) {
  constexpr std::string_view scheme = "bearer ";
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
  if (!std::ranges::equal(authorization.substr(0, scheme.size()), scheme, {}, lower)) return {};
  authorization.remove_prefix(scheme.size());
  authorization.remove_prefix(std::min(authorization.find_first_not_of(' '), authorization.size()));
  return std::string(authorization);
}

}  // namespace devbindd::api

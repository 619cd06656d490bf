// SPDX-License-Identifier: Apache-2.0
// Bearer tokens: the configuration has the SHA-256 of each. That is enough, since a token is 32 random bytes: nobody
// can guess through a fast hash what has 256 bits. Not here: whose token it is (access_rules.hpp).
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>

namespace devbindd::api {

using TokenDigest = std::array<unsigned char, 32>;

/// "sha256:" and 64 hex digits, as `printf %s "$token" | sha256sum` prints them.
std::optional<TokenDigest> token_digest_named(std::string_view text);

/// Whether the token has that digest. Takes as long wherever they differ.
bool is_token(std::string_view token, const TokenDigest& digest);

/// The token of an Authorization header, "" of one that has none. RFC 6750 section 2.1; the scheme in any case.
std::string bearer_token(std::string_view authorization);

}  // namespace devbindd::api

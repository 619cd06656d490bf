// SPDX-License-Identifier: Apache-2.0
// Client certificates, as far as a rule can go by them: the fingerprint, and the subject's alternative names. The
// common name counts for nothing (RFC 9525 section 2). Pure. Not here: whether a certificate is valid
// (api/http/tls_door.hpp).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace devbindd::api {

/// What a certificate that was found valid says of its holder.
struct PeerCertificate {
  std::string fingerprint;              ///< SHA-256 of the certificate, 64 lower-case hex digits
  std::vector<std::string> names = {};  ///< "dns:node-3.example", "uri:spiffe://example/kubelet", "email:a@b"
};

/// As certificates and rules are compared: "sha256:" and 64 hex digits, with or without colons between them, or "dns:",
/// "uri:" or "email:" and a name. Of these the digits and a DNS name are the same in both cases. nullopt: neither.
std::optional<std::string> certificate_name(std::string_view text);

/// Whether a name that certificate_name() has given is one of the certificate's.
bool is_of(const PeerCertificate& certificate, const std::string& name);

/// For logs: its first name, or its fingerprint.
std::string text_of(const PeerCertificate& certificate);

}  // namespace devbindd::api

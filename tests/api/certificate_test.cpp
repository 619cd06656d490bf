// SPDX-License-Identifier: Apache-2.0
// Names by which rules go by client certificates.
#include "api/access/certificate.hpp"

#include "api/access/access_rules.hpp"
#include "tests/catch2.hpp"

namespace devbindd::certificate_test {

using namespace devbindd::api;

namespace {

const std::string digits = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

PeerCertificate kubelet() {
  return {.fingerprint = digits, .names = {"dns:node-3.example", "uri:spiffe://example/kubelet"}};
}

AccessRule rule(WhoKind kind, std::string name, Role role) { return {{.kind = kind, .name = std::move(name)}, role}; }

Grant grant_by(std::vector<AccessRule> rules, Entrance entrance = Entrance::Tls) {
  AccessRules all{.rules = std::move(rules), .configured = true};
  Identity identity{.entrance = entrance};
  if (entrance == Entrance::Tls) identity.certificate = std::make_shared<const PeerCertificate>(kubelet());
  return grant_of(all, identity);
}

}  // namespace

TEST_CASE("a fingerprint is named with colons or without, in either case", "[certificate]") {
  CHECK(certificate_name("sha256:" + digits) == "sha256:" + digits);
  std::string printed;
  for (std::size_t at = 0; at < digits.size(); at += 2) printed += (at > 0 ? ":" : "") + digits.substr(at, 2);
  for (auto& letter : printed) {
    if (letter >= 'a' && letter <= 'f') letter = static_cast<char>(letter - 32);
  }
  CHECK(certificate_name("sha256:" + printed) == "sha256:" + digits);
  CHECK_FALSE(certificate_name("sha256:" + digits.substr(1)));
  CHECK_FALSE(certificate_name("sha256:" + digits + "00"));
  CHECK_FALSE(certificate_name("sha256:g" + digits.substr(1)));
}

TEST_CASE("a name is of a kind, and has no blank in it", "[certificate]") {
  CHECK(certificate_name("dns:Node-3.Example") == "dns:node-3.example");
  CHECK(certificate_name("uri:spiffe://Example/Kubelet") == "uri:spiffe://Example/Kubelet");
  CHECK(certificate_name("email:a@example") == "email:a@example");
  for (const auto* text : {"", "dns:", "node-3.example", "cn:node-3", "dns:a b", "dns:a\nb", "DNS:a"}) {
    INFO(text);
    CHECK_FALSE(certificate_name(text));
  }
  CHECK_FALSE(certificate_name(std::string("dns:a\0.example", 14)));
  CHECK_FALSE(certificate_name("dns:" + std::string(2000, 'a')));
}

TEST_CASE("a certificate has its fingerprint and its names, whole", "[certificate]") {
  CHECK(is_of(kubelet(), "sha256:" + digits));
  CHECK(is_of(kubelet(), "dns:node-3.example"));
  CHECK(is_of(kubelet(), "uri:spiffe://example/kubelet"));
  CHECK_FALSE(is_of(kubelet(), "dns:node-3"));
  CHECK_FALSE(is_of(kubelet(), "dns:example"));
  CHECK_FALSE(is_of(kubelet(), "email:node-3.example"));
  CHECK_FALSE(is_of(kubelet(), "sha256:" + std::string(64, '0')));
  CHECK(text_of(kubelet()) == "dns:node-3.example");
  CHECK(text_of(PeerCertificate{.fingerprint = digits}) == "sha256:" + digits);
}

TEST_CASE("a rule for a certificate gives its role by TLS alone", "[certificate]") {
  const auto grant = grant_by({rule(WhoKind::Certificate, "dns:node-3.example", Role::Operator)});
  CHECK(grant.role == Role::Operator);
  CHECK(grant.by == "rule 1 of \"access\" (certificate dns:node-3.example)");
  CHECK(grant_by({rule(WhoKind::Certificate, "dns:node-4.example", Role::Operator)}).role == Role::None);
  CHECK(grant_by({rule(WhoKind::Certificate, "dns:node-3.example", Role::Operator)}, Entrance::Tcp).role == Role::None);
  CHECK(grant_by({rule(WhoKind::Certificate, "dns:node-3.example", Role::Operator)}, Entrance::Unix).role ==
        Role::None);
}

TEST_CASE("by TLS a certificate without a rule of its own reads at most", "[certificate]") {
  CHECK(grant_by({rule(WhoKind::Everyone, "", Role::Reader)}).role == Role::Reader);
  CHECK(grant_by({rule(WhoKind::Everyone, "", Role::Claimant)}).role == Role::None);
  CHECK(grant_by({}).role == Role::None);
  // The user of a process is nobody's over a network.
  auto root = rule(WhoKind::User, "root", Role::Admin);
  root.who.number = 0;
  CHECK(grant_by({root}).role == Role::None);
}

}  // namespace devbindd::certificate_test

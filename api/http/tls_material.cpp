// SPDX-License-Identifier: Apache-2.0
#include "api/http/tls_material.hpp"

#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <array>
#include <boost/asio/buffer.hpp>
#include <cerrno>
#include <cstdio>

namespace devbindd::api {
namespace {

namespace ssl = boost::asio::ssl;
using boost::system::error_code;

sysfs::Error unusable(const std::string& what, const std::string& why) {
  return {sysfs::ErrorCode::Kernel, "the " + what + " of \"tls\" cannot be used: " + why, EINVAL};
}

std::string hex(const unsigned char* bytes, unsigned count) {
  std::string text;
  for (unsigned at = 0; at < count; ++at) {
    std::array<char, 3> digits{};
    std::snprintf(digits.data(), digits.size(), "%02x", bytes[at]);
    text += digits.data();
  }
  return text;
}

std::string_view kind_of(int type) {
  switch (type) {
    case GEN_DNS: return "dns:";
    case GEN_URI: return "uri:";
    case GEN_EMAIL: return "email:";
    default: return {};
  }
}

// certificate_name() refuses what is not printable, and so a name with a NUL in it that reads as another one.
void add_name(const GENERAL_NAME& name, std::vector<std::string>& names) {
  const auto kind = kind_of(name.type);
  if (kind.empty()) return;
  const auto* text = name.d.ia5;
  const auto* bytes = reinterpret_cast<const char*>(ASN1_STRING_get0_data(text));
  auto found =
      certificate_name(std::string(kind) + std::string(bytes, static_cast<std::size_t>(ASN1_STRING_length(text))));
  if (found) names.push_back(std::move(*found));
}

std::vector<std::string> names_of(const X509* certificate) {
  std::vector<std::string> names;
  auto* list = static_cast<GENERAL_NAMES*>(::X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr));
  for (int at = 0; at < sk_GENERAL_NAME_num(list); ++at) add_name(*sk_GENERAL_NAME_value(list, at), names);
  ::GENERAL_NAMES_free(list);
  return names;
}

void set_rules(SSL_CTX* context) {
  ::SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION);
  ::SSL_CTX_set_mode(context, SSL_MODE_NO_AUTO_CHAIN);  // clients' authorities are not part of the own chain
  ::SSL_CTX_set_num_tickets(context, 0);
  ::SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
}

}  // namespace

sysfs::Result<TlsContext> tls_context(const TlsMaterial& material) {
  error_code error;
  const auto context = std::make_shared<ssl::context>(ssl::context::tls_server);
  set_rules(context->native_handle());
  context->use_certificate_chain(boost::asio::buffer(material.certificate), error);
  if (error) return std::unexpected(unusable("certificate", error.message()));
  // Also held against the certificate, which is there by now.
  context->use_private_key(boost::asio::buffer(material.key), ssl::context::pem, error);
  if (error) return std::unexpected(unusable("key", error.message()));
  context->add_certificate_authority(boost::asio::buffer(material.client_ca), error);
  if (error) return std::unexpected(unusable("client_ca", error.message()));
  context->set_verify_mode(ssl::verify_peer | ssl::verify_fail_if_no_peer_cert, error);
  if (error) return std::unexpected(unusable("client_ca", error.message()));
  return context;
}

sysfs::Result<PeerCertificate> peer_certificate(SSL* connection) {
  auto* certificate = ::SSL_get1_peer_certificate(connection);
  if (certificate == nullptr)
    return sysfs::fail(sysfs::ErrorCode::Kernel, "the client has shown no certificate", EACCES);
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  const bool digested = ::X509_digest(certificate, ::EVP_sha256(), digest.data(), &size) == 1;
  PeerCertificate found{.fingerprint = hex(digest.data(), size), .names = names_of(certificate)};
  ::X509_free(certificate);
  if (!digested) return sysfs::fail(sysfs::ErrorCode::Kernel, "the client's certificate has no fingerprint", EINVAL);
  return found;
}

}  // namespace devbindd::api

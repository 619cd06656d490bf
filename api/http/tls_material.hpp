// SPDX-License-Identifier: Apache-2.0
// What a TLS server has, and what it makes of a client's certificate. Not here: connections (tls_door.hpp), files (the
// daemon).
#pragma once

#include <boost/asio/ssl/context.hpp>
#include <memory>
#include <string>

#include "api/access/certificate.hpp"
#include "sysfs/kernel/result.hpp"

namespace devbindd::api {

/// As PEM.
struct TlsMaterial {
  std::string certificate;  ///< of the server, and behind it those that lead to its root
  std::string key;
  std::string client_ca;  ///< who may issue certificates of clients
};

using TlsContext = std::shared_ptr<boost::asio::ssl::context>;

/// TLS 1.3 and nothing older; a client without a certificate of `client_ca` is not let in. Without tickets: what a
/// session was allowed does not outlive a change of the material. Error: Kernel with EINVAL, which names what cannot be
/// used and OpenSSL's reason.
sysfs::Result<TlsContext> tls_context(const TlsMaterial& material);

/// The certificate of the peer of a TLS connection that is established. Names that are not text are left out. Error:
/// Kernel, where there is none. Source: X509_digest(3), RFC 5280 section 4.2.1.6.
sysfs::Result<PeerCertificate> peer_certificate(SSL* connection);

}  // namespace devbindd::api

// SPDX-License-Identifier: Apache-2.0
// Where clients come in by TLS. A thread of its own does all of it: the handshakes and the ciphers of strangers take no
// time of the daemon's thread, which gets plain bytes on one end of a socket pair, and only of clients whose
// certificate is valid. Not here: keys and certificates (tls_material.hpp), what a certificate's holder may do
// (api/access/access_rules.hpp).
#pragma once

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "api/http/first_bytes.hpp"
#include "api/http/tls_material.hpp"

namespace devbindd::api {

struct TlsLimits {
  std::size_t handshakes = 64;  ///< at one time; the oldest goes for a newcomer
  std::chrono::milliseconds handshake_time{5'000};
  std::chrono::milliseconds write_time{30'000};  ///< in which a client takes what was sent to it
  std::chrono::milliseconds goodbye_time{1'000};
};

/// "" where the kernel does not say.
struct TlsAddresses {
  std::string peer;
  std::string local;  ///< where the peer has reached the daemon
};

/// Who has come in.
struct TlsNewcomer {
  StreamSocket socket;
  PeerCertificate certificate;
  TlsAddresses addresses;
};

class TlsDoor {
 public:
  struct Callbacks {
    std::function<void(TlsNewcomer)> come;
    /// Whoever did not get through the handshake, and why.
    std::function<void(const std::string& address, const std::string& why)> refused;
  };

  /// The callbacks are called where `io` runs.
  TlsDoor(boost::asio::io_context& io, TlsContext context, TlsLimits limits, Callbacks callbacks);
  /// Whoever is connected is cut off.
  ~TlsDoor();
  TlsDoor(const TlsDoor&) = delete;
  TlsDoor& operator=(const TlsDoor&) = delete;

  /// Any address of the host. Port 0 lets the kernel choose. Returns the port. Errors: Kernel.
  sysfs::Result<unsigned short> listen(const std::string& address, unsigned short port);
  /// Takes over a TCP socket that listens already. Errors: Kernel.
  sysfs::Result<> adopt(int descriptor);
  /// For those who come from now on; who is connected stays so.
  void use(TlsContext context);
  /// Accepts nobody any more; who is connected stays so.
  void stop();

 private:
  struct Inside;
  std::unique_ptr<Inside> inside_;
};

}  // namespace devbindd::api

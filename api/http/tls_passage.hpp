// SPDX-License-Identifier: Apache-2.0
// One TLS connection: its handshake, and then the bytes from one side to the other until both have ended. Runs on the
// thread of its door (tls_door.hpp), which owns it until the handshake is over; then it owns itself.
#pragma once

#include <array>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <memory>
#include <string>

#include "api/http/first_bytes.hpp"
#include "api/http/tls_door.hpp"
#include "sysfs/kernel/file_descriptor.hpp"

namespace devbindd::api {

class TlsPassage : public std::enable_shared_from_this<TlsPassage> {
 public:
  /// What came of the handshake: the end of the socket pair that the plain bytes come out of, or why there is none.
  struct Opened {
    sysfs::FileDescriptor inner_end;
    PeerCertificate certificate;
  };
  using OnOpened = std::function<void(sysfs::Result<Opened>)>;

  TlsPassage(boost::asio::io_context& io, StreamSocket socket, TlsContext context, const TlsLimits& limits);

  /// `done` is called once, also when close() comes in between.
  void open(OnOpened done);
  /// At once, and without a goodbye. `why` is told to whoever waits for the handshake.
  void close(std::string why = {});

  const TlsAddresses& addresses() const { return addresses_; }

 private:
  using Inner = boost::asio::local::stream_protocol::socket;

  void limit(std::chrono::milliseconds time, const char* why);
  sysfs::Result<Opened> opened();
  std::string fault_of(const boost::system::error_code& error);
  void pump_in();
  void pump_out();
  void end_in();
  void end_out();
  void say_goodbye();

  TlsContext context_;
  TlsLimits limits_;
  boost::asio::ssl::stream<StreamSocket> outer_;
  Inner inner_;
  boost::asio::steady_timer timer_;
  TlsAddresses addresses_;
  std::string closed_why_;
  std::array<char, 16384> inbound_{};   ///< as long as a TLS record
  std::array<char, 16384> outbound_{};  ///< the same
  bool in_over_ = false;                ///< the client has said all
  bool out_over_ = false;               ///< the daemon has said all
};

}  // namespace devbindd::api

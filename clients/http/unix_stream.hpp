// SPDX-License-Identifier: Apache-2.0
// A connection to a Unix socket, which takes the descriptors that come along with what is read.
#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "clients/http/message.hpp"

namespace devbindd::clients {

class UnixStream {
 public:
  /// Connects. Failures name the path, and say what helps: no socket (the daemon does not run), no right to open it.
  static Result<UnixStream> connect(const std::string& path);

  /// Sends everything. Fails when the other end has closed the connection.
  Result<void> send(std::string_view bytes);

  /// Appends what there is to `bytes`, and waits for at least one byte. Gives false at the end of the stream.
  Result<bool> receive(std::string& bytes, std::chrono::milliseconds patience);

  /// The descriptors that came with what was read so far (unix(7), SCM_RIGHTS).
  std::vector<Descriptor> take_descriptors() { return std::exchange(descriptors_, {}); }

 private:
  explicit UnixStream(Descriptor socket) : socket_(std::move(socket)) {}

  Descriptor socket_;
  std::vector<Descriptor> descriptors_;
};

}  // namespace devbindd::clients

// SPDX-License-Identifier: Apache-2.0
// The first bytes of an answer that descriptors go along with. Not here: the answer, and the rest of it (session.cpp).
#pragma once

#include <boost/asio/generic/stream_protocol.hpp>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "sysfs/kernel/file_descriptor.hpp"

namespace devbindd::api {

using StreamSocket = boost::asio::generic::stream_protocol::socket;
using Descriptors = std::shared_ptr<std::vector<sysfs::FileDescriptor>>;

/// Sends the first of the bytes with the descriptors, as soon as the socket takes some, and closes these here then.
/// `done` gets how many bytes have left, at least one; nullopt where the peer or the wait is gone. Whoever calls keeps
/// socket and bytes until then, and ends the wait by cancelling the socket.
void send_first_bytes(StreamSocket& socket, std::string_view bytes, Descriptors descriptors,
                      std::function<void(std::optional<std::size_t>)> done);

}  // namespace devbindd::api

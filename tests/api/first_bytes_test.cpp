// SPDX-License-Identifier: Apache-2.0
// Descriptors that go with the first bytes: at once, after a wait, never.
#include "api/http/first_bytes.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <boost/asio/io_context.hpp>
#include <string>

#include "sysfs/kernel/descriptor_passing.hpp"
#include "tests/catch2.hpp"

namespace devbindd::first_bytes_test {

using namespace devbindd::api;
using devbindd::sysfs::FileDescriptor;

namespace {

constexpr std::size_t nothing = 0;

struct Sending {
  Sending() {
    std::array<int, 2> ends{};
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends.data()) == 0);
    here.assign({AF_UNIX, 0}, ends[0]);
    there = FileDescriptor(ends[1]);
    descriptors->emplace_back(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  }

  void start(std::string_view bytes) {
    send_first_bytes(here, bytes, descriptors, [this](std::optional<std::size_t> count) {
      ++calls;
      sent = count.value_or(nothing);
    });
  }

  // Until the socket takes no more.
  void fill() {
    const std::string block(4096, 'x');
    while (::send(here.native_handle(), block.data(), block.size(), MSG_DONTWAIT) > 0) ++blocks;
    REQUIRE(blocks > 0);
  }

  // All that is there; the descriptors that came with it.
  std::size_t receive() {
    std::array<char, 4096> room{};
    std::size_t came = 0;
    while (auto got = sysfs::receive_with_descriptors(there.get(), room)) {
      if (got->size == 0) break;
      came += got->descriptors.size();
    }
    return came;
  }

  boost::asio::io_context io;
  StreamSocket here{io};
  FileDescriptor there;
  Descriptors descriptors = std::make_shared<std::vector<FileDescriptor>>();
  int calls = 0;
  int blocks = 0;
  std::size_t sent = nothing;
};

}  // namespace

TEST_CASE("descriptors go with the first byte, and are closed here", "[api][first_bytes]") {
  Sending sending;
  sending.start("answer");
  CHECK(sending.calls == 1);
  CHECK(sending.sent == 6);
  CHECK(sending.descriptors->empty());
  CHECK(sending.receive() == 1);
}

TEST_CASE("a socket that is full is waited for, with the descriptors open", "[api][first_bytes]") {
  Sending sending;
  sending.fill();
  sending.start("answer");
  sending.io.poll();
  CHECK(sending.calls == 0);
  CHECK(sending.descriptors->size() == 1);
  CHECK(sending.receive() == 0);
  sending.io.restart();
  sending.io.run();
  CHECK(sending.calls == 1);
  CHECK(sending.sent == 6);
  CHECK(sending.descriptors->empty());
  CHECK(sending.receive() == 1);
}

TEST_CASE("whoever cancels the socket ends the wait", "[api][first_bytes]") {
  Sending sending;
  sending.fill();
  sending.start("answer");
  sending.here.cancel();
  sending.io.run();
  CHECK(sending.calls == 1);
  CHECK(sending.sent == nothing);
}

TEST_CASE("nothing is sent to a peer that has left", "[api][first_bytes]") {
  Sending sending;
  sending.there = FileDescriptor();
  sending.start("answer");
  CHECK(sending.calls == 1);
  CHECK(sending.sent == nothing);
}

}  // namespace devbindd::first_bytes_test

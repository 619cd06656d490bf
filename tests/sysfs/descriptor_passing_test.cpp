// SPDX-License-Identifier: Apache-2.0
// Descriptors over a socket pair, to and from this very process.
#include "sysfs/kernel/descriptor_passing.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <array>
#include <cerrno>

#include "tests/catch2.hpp"

namespace devbindd::descriptor_passing_test {

namespace {

using namespace devbindd::sysfs;

struct Pair {
  Pair() {
    std::array<int, 2> ends{};
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends.data()) == 0);
    near = FileDescriptor(ends[0]);
    far = FileDescriptor(ends[1]);
  }
  FileDescriptor near, far;
};

std::vector<FileDescriptor> files(std::size_t count) {
  std::vector<FileDescriptor> made;
  for (std::size_t at = 0; at < count; ++at) made.emplace_back(::memfd_create("file", MFD_CLOEXEC));
  return made;
}

ino_t inode(const FileDescriptor& file) {
  struct stat found {};
  REQUIRE(::fstat(file.get(), &found) == 0);
  return found.st_ino;
}

}  // namespace

TEST_CASE("Descriptors arrive with the first bytes, in order, and close on exec") {
  const Pair pair;
  const auto sent = files(3);
  REQUIRE(send_with_descriptors(pair.near.get(), "abcd", sent).value() == 4);
  std::array<char, 2> bytes{};
  const auto got = receive_with_descriptors(pair.far.get(), bytes).value();
  CHECK(std::string_view(bytes.data(), got.size) == "ab");
  REQUIRE(got.descriptors.size() == 3);
  for (std::size_t at = 0; at < 3; ++at) {
    CHECK(inode(got.descriptors[at]) == inode(sent[at]));
    CHECK((::fcntl(got.descriptors[at].get(), F_GETFD) & FD_CLOEXEC) != 0);
  }
  const auto rest = receive_with_descriptors(pair.far.get(), bytes).value();
  CHECK(std::string_view(bytes.data(), rest.size) == "cd");
  CHECK(rest.descriptors.empty());
}

TEST_CASE("As many as the kernel takes go at once, and one more is refused before anything is sent") {
  const Pair pair;
  const auto sent = files(max_passed_descriptors + 1);
  CHECK(send_with_descriptors(pair.near.get(), "a", sent).error().errno_value == EINVAL);
  REQUIRE(send_with_descriptors(pair.near.get(), "a", std::span(sent).first(max_passed_descriptors)));
  std::array<char, 8> bytes{};
  CHECK(receive_with_descriptors(pair.far.get(), bytes)->descriptors.size() == max_passed_descriptors);
}

TEST_CASE("Nothing there, and nobody there, are told apart") {
  Pair pair;
  std::array<char, 8> bytes{};
  CHECK(receive_with_descriptors(pair.far.get(), bytes).error().errno_value == EAGAIN);
  pair.near.reset();
  CHECK(receive_with_descriptors(pair.far.get(), bytes)->size == 0);
  CHECK(send_with_descriptors(pair.far.get(), "a", {}).error().errno_value == EPIPE);
}

TEST_CASE("Descriptors that this process may not have are an error, and not fewer descriptors") {
  const Pair pair;
  REQUIRE(send_with_descriptors(pair.near.get(), "a", files(4)));
  rlimit before{};
  REQUIRE(::getrlimit(RLIMIT_NOFILE, &before) == 0);
  const FileDescriptor next(::dup(pair.near.get()));
  const rlimit tight{.rlim_cur = static_cast<rlim_t>(next.get()) + 2, .rlim_max = before.rlim_max};
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &tight) == 0);
  std::array<char, 8> bytes{};
  const auto got = receive_with_descriptors(pair.far.get(), bytes);
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &before) == 0);
  CHECK(got.error().errno_value == EMFILE);
}

}  // namespace devbindd::descriptor_passing_test

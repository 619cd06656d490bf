// SPDX-License-Identifier: Apache-2.0
#include "sysfs/kernel/lent_rights.hpp"

#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <bit>
#include <cerrno>
#include <climits>
#include <cstdint>
#include <mutex>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "sysfs/kernel/descriptor_passing.hpp"

namespace devbindd::sysfs {
namespace {

constexpr char open_it = 'o';        // and the path
constexpr char widen_it = 'w';       // and the size as four bytes; the socket comes along
constexpr char channel_of_it = 'c';  // and the process as four bytes; the text comes behind the errno
constexpr int most_buffer_bytes = 16 << 20;
constexpr int patience_ms = 2000;

using Word = std::array<char, sizeof(std::int32_t)>;

std::string bytes_of(std::int32_t number) {
  const auto word = std::bit_cast<Word>(number);
  return {word.data(), word.size()};
}

std::optional<std::int32_t> number_of(std::string_view bytes) {
  Word word{};
  if (bytes.size() != word.size()) return std::nullopt;
  bytes.copy(word.data(), word.size());
  return std::bit_cast<std::int32_t>(word);
}

// --- who borrows

/// Rights are the whole process's, as its user is. An answer that comes too late would be taken for the next one's:
/// after that nothing is borrowed any more.
struct Lender {
  std::mutex mutex = {};
  FileDescriptor socket = {};
};

Lender& lender() {
  static Lender only;
  return only;
}

struct Lent {
  int errno_value = EACCES;
  FileDescriptor descriptor = {};
  std::string text = {};
};

Lent borrow(std::string_view request, std::span<const FileDescriptor> along) {
  auto& from = lender();
  const std::lock_guard lock(from.mutex);
  if (!from.socket) return {};
  std::array<char, 256> answer{};
  const auto sent = send_with_descriptors(from.socket.get(), request, along);
  pollfd ready{.fd = from.socket.get(), .events = POLLIN, .revents = 0};
  const bool answered = sent && ::poll(&ready, 1, patience_ms) > 0;
  auto got = answered ? receive_with_descriptors(from.socket.get(), answer)
                      : fail(ErrorCode::Kernel, "no answer from the lender of rights", ETIMEDOUT);
  const std::string_view said(answer.data(), got ? got->size : 0);
  const auto errno_value = number_of(said.substr(0, sizeof(Word)));
  if (!errno_value) {
    from.socket.reset();
    return {};
  }
  Lent lent{*errno_value};
  lent.text = said.substr(sizeof(Word));
  if (!got->descriptors.empty()) lent.descriptor = std::move(got->descriptors.front());
  return lent;
}

// --- who lends

struct Reply {
  int errno_value = EINVAL;
  std::vector<FileDescriptor> descriptors = {};
  std::string text = {};
};

Reply open_for(const std::string& path, const std::function<bool(std::string_view)>& may_read) {
  if (!may_read(path)) return {EACCES};
  FileDescriptor file(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY));
  if (!file) return {errno};
  Reply reply{0};
  reply.descriptors.push_back(std::move(file));
  return reply;
}

Reply widen_for(std::string_view size, const std::vector<FileDescriptor>& sockets) {
  const auto bytes = number_of(size);
  if (!bytes || *bytes < 0 || *bytes > most_buffer_bytes || sockets.size() != 1) return {EINVAL};
  const int wanted = *bytes;
  const int done = ::setsockopt(sockets.front().get(), SOL_SOCKET, SO_RCVBUFFORCE, &wanted, sizeof wanted);
  return {done == 0 ? 0 : errno};
}

Reply channel_for(std::string_view process) {
  const auto pid = number_of(process);
  if (!pid || *pid <= 0) return {EINVAL};
  const FileDescriptor file(::open(("/proc/" + std::to_string(*pid) + "/wchan").c_str(), O_RDONLY | O_CLOEXEC));
  std::array<char, 128> text{};
  const auto size = file ? ::read(file.get(), text.data(), text.size()) : -1;
  if (size < 0) return {errno};
  return {.errno_value = 0, .text = std::string(text.data(), static_cast<std::size_t>(size))};
}

Reply answer_to(std::string_view request, const std::vector<FileDescriptor>& along,
                const std::function<bool(std::string_view)>& may_read) {
  if (request.starts_with(open_it)) return open_for(std::string(request.substr(1)), may_read);
  if (request.starts_with(widen_it)) return widen_for(request.substr(1), along);
  if (request.starts_with(channel_of_it)) return channel_for(request.substr(1));
  return {EINVAL};
}

}  // namespace

void borrow_rights_through(FileDescriptor socket) { lender().socket = std::move(socket); }

FileDescriptor open_for_reading(const std::string& path) {
  FileDescriptor file(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY));
  const int own = errno;
  if (file || (own != EACCES && own != EPERM) || path.size() > PATH_MAX) {
    errno = own;
    return file;
  }
  auto lent = borrow(open_it + path, {});
  errno = lent.errno_value != 0 ? lent.errno_value : own;
  return std::move(lent.descriptor);
}

bool widen_receive_buffer(const FileDescriptor& socket, int bytes) {
  if (::setsockopt(socket.get(), SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof bytes) == 0) return true;
  std::vector<FileDescriptor> along;
  along.push_back(duplicate(socket.get()));
  return borrow(widen_it + bytes_of(bytes), along).errno_value == 0;
}

std::string lent_wait_channel(std::int32_t pid) {
  auto lent = borrow(channel_of_it + bytes_of(pid), {});
  return lent.errno_value == 0 && !lent.text.empty() ? std::move(lent.text) : "0";
}

void lend_rights(const FileDescriptor& socket, const std::function<bool(std::string_view path)>& may_read) {
  std::array<char, PATH_MAX + 2> request{};
  for (;;) {
    pollfd ready{.fd = socket.get(), .events = POLLIN, .revents = 0};
    if (::poll(&ready, 1, -1) < 0 && errno != EINTR) return;
    const auto got = receive_with_descriptors(socket.get(), request);
    if (!got && got.error().errno_value == EAGAIN) continue;
    if (!got || got->size == 0) return;
    const auto reply = answer_to({request.data(), got->size}, got->descriptors, may_read);
    if (!send_with_descriptors(socket.get(), bytes_of(reply.errno_value) + reply.text, reply.descriptors)) return;
  }
}

}  // namespace devbindd::sysfs

// SPDX-License-Identifier: Apache-2.0
#include "handoff/worker/keeper_link.hpp"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <utility>

#include "sysfs/kernel/descriptor_passing.hpp"

namespace devbindd::handoff {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;

constexpr int patience_ms = 15'000;

std::unexpected<sysfs::Error> failed(const std::string& what, int errno_value, const std::string& path = {}) {
  return sysfs::fail(sysfs::ErrorCode::Kernel, what + ": " + sysfs::errno_text(errno_value), errno_value, path);
}

sysfs::Result<sysfs::FileDescriptor> connected(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) return failed("the keeper's socket " + path, ENAMETOOLONG, path);
  path.copy(address.sun_path, path.size());
  sysfs::FileDescriptor socket(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  if (!socket) return failed("cannot make a socket", errno);
  if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    return failed("cannot reach the keeper at " + path, errno, path);
  return socket;
}

// Each within its bounds: a function may have more VFs than one permit has room for.
std::vector<Permit> parts_of(Permit permit) {
  std::vector<Permit> parts;
  while (permit.devices.size() > max_permitted) {
    const auto rest = permit.devices.end() - static_cast<std::ptrdiff_t>(max_permitted);
    parts.push_back({.subject = permit.subject, .devices = {rest, permit.devices.end()}});
    permit.devices.erase(rest, permit.devices.end());
  }
  if (permit.devices.size() + permit.ids.size() > max_permitted)
    parts.push_back({.subject = permit.subject, .ids = std::exchange(permit.ids, {})});
  parts.push_back(std::move(permit));
  return parts;
}

}  // namespace

sysfs::Result<KeeperConnection> connect_to_keeper(const std::string& path, std::string_view version) {
  auto socket = connected(path);
  if (!socket) return std::unexpected(socket.error());
  pollfd ready{.fd = socket->get(), .events = POLLIN, .revents = 0};
  if (::poll(&ready, 1, patience_ms) <= 0) return failed("the keeper at " + path + " does not answer", ETIMEDOUT, path);
  std::string buffer(max_keeper_packet, '\0');
  auto got = sysfs::receive_with_descriptors(socket->get(), buffer);
  if (!got) return std::unexpected(got.error());
  const auto greeting = decode_greeting(std::string_view(buffer).substr(0, got->size));
  if (!greeting || got->descriptors.size() != 1)
    return failed("what answers at " + path + " is not devbindd's keeper", EPROTO, path);
  if (greeting->version != version)
    return failed(
        "the keeper at " + path + " is of version " + greeting->version + ", and this is " + std::string(version),
        EPROTO, path);
  return KeeperConnection{std::move(*socket), std::move(got->descriptors.front()), greeting->pid,
                          greeting->configuration};
}

KeeperLink::KeeperLink(asio::io_context& io, sysfs::FileDescriptor socket, Hooks hooks)
    : socket_(io, socket.release()), hooks_(std::move(hooks)), late_(io) {
  socket_.non_blocking(true);
}

std::shared_ptr<KeeperLink> KeeperLink::start(asio::io_context& io, KeeperConnection connection, Hooks hooks) {
  const std::shared_ptr<KeeperLink> link(new KeeperLink(io, std::move(connection.socket), std::move(hooks)));
  link->receive();
  return link;
}

void KeeperLink::start_worker(int nice, std::function<void(sysfs::Result<SpawnedWorker>)> done) {
  put(StartWorker{nice}, [done = std::move(done)](KeeperAnswer answer, std::vector<sysfs::FileDescriptor> descriptors) {
    if (answer.error) return done(std::unexpected(std::move(*answer.error)));
    if (descriptors.size() != 1) return done(failed("the keeper's answer has no worker's socket", EPROTO));
    done(SpawnedWorker{answer.pid, std::move(descriptors.front())});
  });
}

std::shared_ptr<void> KeeperLink::permit(Permit permit) {
  // Not shared_from_this(): who has the permit may outlive the thread that this runs on.
  const auto report = [weak = weak_from_this()](const sysfs::Result<>& done) {
    if (const auto self = weak.lock(); self && !done) self->hooks_.on_refused(done.error().message);
  };
  std::vector<std::uint64_t> numbers;
  for (auto& part : parts_of(std::move(permit))) {
    part.number = ++last_permit_;
    numbers.push_back(part.number);
    ask(std::move(part), report);
  }
  auto withdraw = [weak = weak_from_this(), numbers = std::move(numbers), report](void*) {
    const auto self = weak.lock();
    for (const auto number : numbers) {
      if (self) self->ask(WithdrawPermit{number}, report);
    }
  };
  return {static_cast<void*>(this), std::move(withdraw)};
}

void KeeperLink::end_worker(std::int32_t pid) {
  ask(EndWorker{pid}, [](const sysfs::Result<>&) {});  // it may have ended meanwhile
}

void KeeperLink::ask(const KeeperRequest& request, std::function<void(sysfs::Result<>)> done) {
  put(request, [done = std::move(done)](KeeperAnswer answer, const auto&) {
    done(answer.error ? sysfs::Result<>(std::unexpected(std::move(*answer.error))) : sysfs::Result<>());
  });
}

void KeeperLink::when_settled(std::function<void()> work) {
  const auto last = std::find_if(open_.rbegin(), open_.rend(), [](const Open& open) { return open.permit; });
  if (last == open_.rend()) return work();
  last->after.push_back(std::move(work));
}

void KeeperLink::stop() {
  stopped_ = true;
  late_.cancel();
  error_code ignored;
  socket_.close(ignored);
  open_.clear();
}

void KeeperLink::put(const KeeperRequest& request, Done done) {
  if (stopped_) return;
  open_.push_back({std::move(done), std::holds_alternative<Permit>(request)});
  if (open_.size() == 1) watch();
  outgoing_.push_back(encode(request));
  send();
}

// One that is stopped, or hangs, would keep what has been accepted waiting for ever.
void KeeperLink::watch() {
  late_.expires_after(std::chrono::milliseconds(patience_ms));
  late_.async_wait([self = shared_from_this()](error_code error) {
    if (!error && !self->open_.empty()) self->lose("it does not answer");
  });
}

void KeeperLink::send() {
  while (!outgoing_.empty() && !sending_) {
    const auto sent = sysfs::send_with_descriptors(socket_.native_handle(), outgoing_.front(), {});
    if (!sent && sent.error().errno_value == EAGAIN) break;
    if (!sent) return lose(sent.error().message);
    outgoing_.pop_front();
  }
  if (outgoing_.empty() || std::exchange(sending_, true)) return;
  socket_.async_wait(asio::posix::stream_descriptor::wait_write, [self = shared_from_this()](error_code error) {
    self->sending_ = false;
    if (!error && !self->stopped_) self->send();
  });
}

void KeeperLink::receive() {
  socket_.async_wait(asio::posix::stream_descriptor::wait_read, [self = shared_from_this()](error_code error) {
    if (error || self->stopped_) return;
    self->take_packets();
    if (!self->stopped_) self->receive();
  });
}

void KeeperLink::take_packets() {
  std::array<char, 8192> buffer{};  // an answer is a few words
  while (!stopped_) {
    auto got = sysfs::receive_with_descriptors(socket_.native_handle(), buffer);
    if (!got && got.error().errno_value == EAGAIN) return;
    if (!got) return lose(got.error().message);
    if (got->size == 0) return lose("it has ended");
    take({buffer.data(), got->size}, std::move(got->descriptors));
  }
}

void KeeperLink::take(std::string_view packet, std::vector<sysfs::FileDescriptor> descriptors) {
  auto answer = decode_keeper_answer(packet);
  if (!answer || open_.empty()) return lose("its answer cannot be read");
  const auto open = std::move(open_.front());
  open_.pop_front();
  late_.cancel();
  if (!open_.empty()) watch();
  open.done(std::move(*answer), std::move(descriptors));
  for (const auto& work : open.after) work();
}

void KeeperLink::lose(const std::string& why) {
  stop();
  hooks_.on_lost(why);
}

}  // namespace devbindd::handoff

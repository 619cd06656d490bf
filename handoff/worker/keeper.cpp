// SPDX-License-Identifier: Apache-2.0
#include "handoff/worker/keeper.hpp"

#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <optional>
#include <thread>
#include <utility>

#include "handoff/worker/permit_table.hpp"
#include "handoff/worker/worker_process.hpp"
#include "sysfs/kernel/descriptor_passing.hpp"
#include "sysfs/kernel/lent_rights.hpp"
#include "sysfs/kernel/paths.hpp"

namespace devbindd::handoff {
namespace {

constexpr int between_looks_ms = 1000;  // at workers that have ended
constexpr std::size_t max_workers = 512;

struct Reply {
  KeeperAnswer answer = {};
  std::vector<sysfs::FileDescriptor> descriptors = {};
};

std::string text_of(const Permit& permit) {
  constexpr std::size_t most_shown = 16;
  std::string text = permit.subject + " may touch";
  std::size_t shown = 0;
  const auto add = [&](const std::string& name) {
    if (shown++ < most_shown) text += (shown == 1 ? " " : ", ") + name;
  };
  for (const auto& address : permit.devices) add(sysfs::to_string(address));
  for (const auto& id : permit.ids) add("ID " + id);
  if (shown > most_shown) text += " and " + std::to_string(shown - most_shown) + " more";
  return text;
}

class Keeper {
 public:
  Keeper(const KeeperSettings& settings, PermitMemory memory) : settings_(settings), permits_(std::move(memory)) {}

  Reply answer_to(const KeeperRequest& request) {
    Reply reply;
    auto done = std::visit([&](const auto& asked) { return serve(asked, reply); }, request);
    if (!done) {
      settings_.log("refused: " + done.error().message);
      reply.answer.error = std::move(done.error());
    }
    return reply;
  }

  // Those that have ended: only the keeper's own children are workers.
  void reap() {
    std::erase_if(workers_, [](pid_t pid) { return ::waitpid(pid, nullptr, WNOHANG) == pid; });
  }

 private:
  sysfs::Result<> serve(const StartWorker& asked, Reply& reply) {
    if (workers_.size() >= max_workers) return sysfs::fail(sysfs::ErrorCode::TooBusy, "there are too many workers");
    auto spawned = spawn_worker(settings_.command, std::clamp(asked.nice, 0, 19), permits_.memory().descriptor());
    if (!spawned) return std::unexpected(spawned.error());
    workers_.push_back(spawned->pid);
    reply.answer.pid = spawned->pid;
    reply.descriptors.push_back(std::move(spawned->socket));
    return {};
  }
  sysfs::Result<> serve(const Permit& permit, Reply&) {
    if (settings_.read_only)
      return sysfs::fail(sysfs::ErrorCode::ReadOnly, "the configuration says read-only: no permit is given");
    if (auto given = permits_.give(permit); !given) return given;
    settings_.log(text_of(permit));
    return {};
  }
  sysfs::Result<> serve(const WithdrawPermit& withdrawn, Reply&) {
    permits_.withdraw(withdrawn.number);
    return {};
  }
  // Our workers hold locks.
  sysfs::Result<> serve(const EndWorker& ended, Reply&) {
    if (!settings_.is_leftover(ended.pid))
      return sysfs::fail(sysfs::ErrorCode::Kernel, "process " + std::to_string(ended.pid) + " is not a worker", ESRCH);
    ::kill(ended.pid, SIGKILL);
    return {};
  }
  sysfs::Result<> serve(const PutCdiFile& file, Reply&) { return settings_.put_cdi_file(file); }
  sysfs::Result<> serve(const KeepCdiFiles& kept, Reply&) { return settings_.keep_cdi_files(kept); }

  const KeeperSettings& settings_;
  PermitTable permits_;
  std::vector<pid_t> workers_;
};

// nullopt: the daemon is gone, or sent what none sends.
std::optional<KeeperRequest> next_request(const sysfs::FileDescriptor& socket, Keeper& keeper, std::string& buffer) {
  for (;;) {
    pollfd ready{.fd = socket.get(), .events = POLLIN, .revents = 0};
    const int count = ::poll(&ready, 1, between_looks_ms);
    keeper.reap();
    if (count <= 0) continue;
    buffer.resize(max_keeper_packet);
    const auto got = ::recv(socket.get(), buffer.data(), buffer.size(), MSG_TRUNC);
    if (got < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (got <= 0 || static_cast<std::size_t>(got) > buffer.size()) return std::nullopt;
    return decode_keeper_request(std::string_view(buffer).substr(0, static_cast<std::size_t>(got)));
  }
}

bool greet(const sysfs::FileDescriptor& socket, const KeeperSettings& settings) {
  std::array<int, 2> pair{};
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair.data()) != 0) return false;
  sysfs::FileDescriptor ours(pair[0]);
  std::vector<sysfs::FileDescriptor> theirs;
  theirs.emplace_back(pair[1]);
  const auto greeting = encode(Greeting{settings.version, ::getpid(), settings.configuration});
  if (!sysfs::send_with_descriptors(socket.get(), greeting, theirs)) return false;
  // It ends with the process: the daemon closes both sockets at once.
  std::thread([lent = std::move(ours), &settings] { sysfs::lend_rights(lent, settings.may_read); }).detach();
  return true;
}

}  // namespace

int run_keeper(sysfs::FileDescriptor socket, const KeeperSettings& settings) {
  // It ends with the daemon, which has work to bring to its end first.
  for (const int signal : {SIGTERM, SIGINT, SIGHUP, SIGPIPE}) std::signal(signal, SIG_IGN);
  auto memory = PermitMemory::create();
  if (!memory || !greet(socket, settings)) return 1;
  Keeper keeper(settings, std::move(*memory));
  std::string buffer;
  while (const auto request = next_request(socket, keeper, buffer)) {
    const auto reply = keeper.answer_to(*request);
    if (!sysfs::send_with_descriptors(socket.get(), encode(reply.answer), reply.descriptors)) break;
  }
  return 0;
}

}  // namespace devbindd::handoff

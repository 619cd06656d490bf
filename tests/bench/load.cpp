// SPDX-License-Identifier: Apache-2.0
// A load of HTTP requests over connections that stay: each asks again when it has its whole answer. One thread, epoll.
// Prints one line of JSON: requests, seconds, per_second, p50_us, p99_us, max_us, bytes, statuses, ended (connections
// that the server ended), unanswered (requests under way at the end). Not here: what is asked (a file of request bytes
// for each).
#include <arpa/inet.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

struct Options {
  std::string path;  ///< of a Unix socket; "" for TCP
  std::uint16_t port = 0;
  unsigned connections = 1;
  double seconds = 1;
  std::uint64_t most = 0;             ///< requests after which it ends; 0 for none
  std::vector<std::string> requests;  ///< sent in turn
  std::string record;                 ///< file for the first answer as it came
  bool each = false;                  ///< also print the time of each request, in the order of the answers
};

[[noreturn]] void give_up(const std::string& what) { throw std::runtime_error(what + ": " + std::strerror(errno)); }

std::string content_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) give_up(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

int connected_to_path(const std::string& path) {
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) throw std::runtime_error(path + ": too long");
  std::copy(path.begin(), path.end(), address.sun_path);
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) give_up(path);
  return fd;
}

int connected_to_port(std::uint16_t port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int on = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) give_up("connect");
  return fd;
}

/// How long an answer is, once its head is complete; nullopt before.
std::optional<std::size_t> length_of_answer(std::string_view bytes) {
  const auto end = bytes.find("\r\n\r\n");
  if (end == std::string_view::npos) return std::nullopt;
  constexpr std::string_view field = "\r\ncontent-length:";
  const auto head = bytes.substr(0, end + 2);
  const auto same = [](char a, char b) { return (a | 0x20) == (b | 0x20); };
  const auto found = std::search(head.begin(), head.end(), field.begin(), field.end(), same);
  std::size_t length = 0;
  if (found != head.end()) {
    auto at = static_cast<std::size_t>(found - head.begin()) + field.size();
    while (head[at] == ' ') ++at;
    std::from_chars(head.data() + at, head.data() + head.size(), length);
  }
  // Both have a Content-Length of the answer that they stand for, and no body.
  if (head.starts_with("HTTP/1.1 304") || head.starts_with("HTTP/1.1 204")) length = 0;
  return end + 4 + length;
}

struct Connection {
  int fd = -1;
  std::size_t next = 0;  ///< which request is sent next
  std::string head;      ///< bytes of the answer until its length is known
  std::size_t length = 0;
  std::size_t got = 0;
  Clock::time_point sent;
};

struct Figures {
  std::vector<float> times;  ///< microseconds
  std::map<int, std::uint64_t> statuses;
  std::uint64_t bytes = 0;
  unsigned ended = 0;
  std::string first;  ///< answer
};

class Load {
 public:
  explicit Load(const Options& options);
  void run();
  void print() const;

 private:
  void ask(Connection& connection);
  void take(Connection& connection);
  bool take_bytes(Connection& connection, std::string_view bytes);
  void answered(Connection& connection);
  void close(Connection& connection);
  bool done() const { return options_.most != 0 && figures_.times.size() >= options_.most; }

  const Options& options_;
  int epoll_ = ::epoll_create1(EPOLL_CLOEXEC);
  std::vector<Connection> connections_;
  std::vector<char> buffer_ = std::vector<char>(1U << 20U);
  Figures figures_;
  Clock::time_point begun_;
  double took_ = 0;
};

Load::Load(const Options& options) : options_(options), connections_(options.connections) {
  for (std::size_t at = 0; at < connections_.size(); ++at) {
    auto& connection = connections_[at];
    connection.fd = options_.path.empty() ? connected_to_port(options_.port) : connected_to_path(options_.path);
    connection.next = at % options_.requests.size();
    if (::fcntl(connection.fd, F_SETFL, O_NONBLOCK) != 0) give_up("fcntl");
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u64 = at;
    if (::epoll_ctl(epoll_, EPOLL_CTL_ADD, connection.fd, &event) != 0) give_up("epoll_ctl");
  }
}

void Load::ask(Connection& connection) {
  const auto& request = options_.requests[connection.next];
  connection.next = (connection.next + 1) % options_.requests.size();
  connection.head.clear();
  connection.length = connection.got = 0;
  connection.sent = Clock::now();
  // A request is smaller than any socket's buffer: it goes at once, or the connection has ended.
  if (::send(connection.fd, request.data(), request.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(request.size()))
    close(connection);
}

void Load::take(Connection& connection) {
  while (connection.fd >= 0) {
    const auto size = ::recv(connection.fd, buffer_.data(), buffer_.size(), 0);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0 && errno == EAGAIN) return;
    if (size <= 0) return close(connection);
    if (take_bytes(connection, {buffer_.data(), static_cast<std::size_t>(size)})) return;
  }
}

/// Whether the answer is complete.
bool Load::take_bytes(Connection& connection, std::string_view bytes) {
  connection.got += bytes.size();
  figures_.bytes += bytes.size();
  const bool recorded = figures_.times.empty() && !options_.record.empty();
  if (connection.length == 0 || recorded) connection.head += bytes;
  if (connection.length == 0) connection.length = length_of_answer(connection.head).value_or(0);
  if (connection.length == 0 || connection.got < connection.length) return false;
  answered(connection);
  return true;
}

void Load::answered(Connection& connection) {
  const std::chrono::duration<float, std::micro> took = Clock::now() - connection.sent;
  figures_.times.push_back(took.count());
  if (figures_.times.size() == 1) figures_.first = connection.head;
  int status = 0;
  if (connection.head.size() > 12) std::from_chars(connection.head.data() + 9, connection.head.data() + 12, status);
  ++figures_.statuses[status];
  if (!done()) ask(connection);
}

void Load::close(Connection& connection) {
  ::close(connection.fd);
  connection.fd = -1;
  ++figures_.ended;
}

void Load::run() {
  begun_ = Clock::now();
  const auto end = begun_ + std::chrono::duration<double>(options_.seconds);
  for (auto& connection : connections_) ask(connection);
  std::vector<epoll_event> events(256);
  while (Clock::now() < end && !done() && figures_.ended < connections_.size()) {
    const int ready = ::epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), 50);
    for (int at = 0; at < ready; ++at) take(connections_[events[static_cast<std::size_t>(at)].data.u64]);
  }
  took_ = std::chrono::duration<double>(Clock::now() - begun_).count();
  if (!options_.record.empty()) std::ofstream(options_.record, std::ios::binary) << figures_.first;
}

void Load::print() const {
  auto times = figures_.times;
  std::ranges::sort(times);
  const auto part = [&times](double share) {
    return times.empty()
               ? 0.0
               : static_cast<double>(times[static_cast<std::size_t>(share * static_cast<double>(times.size() - 1))]);
  };
  const auto unanswered = std::ranges::count_if(connections_, [](const Connection& one) { return one.fd >= 0; });
  std::printf(
      "{\"requests\": %zu, \"seconds\": %.4f, \"per_second\": %.1f, \"p50_us\": %.1f, \"p99_us\": %.1f, \"max_us\": "
      "%.1f, ",
      times.size(), took_, static_cast<double>(times.size()) / took_, part(0.5), part(0.99), part(1));
  std::printf("\"bytes\": %llu, \"ended\": %u, \"unanswered\": %lld, \"statuses\": {",
              static_cast<unsigned long long>(figures_.bytes), figures_.ended, static_cast<long long>(unanswered));
  const char* comma = "";
  for (const auto& [status, count] : figures_.statuses) {
    std::printf("%s\"%d\": %llu", comma, status, static_cast<unsigned long long>(count));
    comma = ", ";
  }
  if (options_.each) {
    std::printf("}, \"each_us\": [");
    for (std::size_t at = 0; at < figures_.times.size(); ++at)
      std::printf("%s%.1f", at == 0 ? "" : ", ", static_cast<double>(figures_.times[at]));
    std::printf("]}\n");
    return;
  }
  std::printf("}}\n");
}

constexpr const char* usage =
    "Usage: bench_load (--unix PATH | --tcp PORT) [--connections N] [--seconds S] [--most REQUESTS] [--record FILE] "
    "[--each] REQUEST_FILE...\n";

std::optional<Options> options_from(int argc, char** argv) {
  constexpr option known[] = {{"unix", required_argument, nullptr, 'u'},
                              {"tcp", required_argument, nullptr, 't'},
                              {"connections", required_argument, nullptr, 'c'},
                              {"seconds", required_argument, nullptr, 's'},
                              {"most", required_argument, nullptr, 'm'},
                              {"record", required_argument, nullptr, 'r'},
                              {"each", no_argument, nullptr, 'e'},
                              {nullptr, 0, nullptr, 0}};
  Options options;
  for (int chosen = 0; (chosen = ::getopt_long(argc, argv, "", known, nullptr)) != -1;) {
    switch (chosen) {
      case 'u': options.path = optarg; break;
      case 't': options.port = static_cast<std::uint16_t>(std::atoi(optarg)); break;
      case 'c': options.connections = static_cast<unsigned>(std::atoi(optarg)); break;
      case 's': options.seconds = std::atof(optarg); break;
      case 'm': options.most = static_cast<std::uint64_t>(std::atoll(optarg)); break;
      case 'r': options.record = optarg; break;
      case 'e': options.each = true; break;
      default: return std::nullopt;
    }
  }
  for (int at = optind; at < argc; ++at) options.requests.push_back(content_of(argv[at]));
  if (options.requests.empty() || options.connections == 0 || (options.path.empty() && options.port == 0))
    return std::nullopt;
  return options;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    const auto options = options_from(argc, argv);
    if (!options) {
      std::fputs(usage, stderr);
      return 2;
    }
    rlimit files{65536, 65536};
    ::setrlimit(RLIMIT_NOFILE, &files);
    Load load(*options);
    load.run();
    load.print();
    return 0;
  } catch (const std::exception& wrong) {
    std::fprintf(stderr, "bench_load: %s\n", wrong.what());
    return 1;
  }
}

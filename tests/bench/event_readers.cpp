// SPDX-License-Identifier: Apache-2.0
// Readers of the event stream: N connections that ask for events and stay. Prints "ready N" when each has the head of
// its answer. For each line on its standard input ("go TEXT") it prints "waiting", waits until every reader has got
// bytes that hold TEXT, and prints one line of JSON: readers, got, first_us (since "waiting"), spread_us (from the
// first reader's to the last one's), p50_us, p99_us. Ends with its input. Not here: what changes.
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;
constexpr auto patience = std::chrono::seconds(10);

struct Reader {
  int fd = -1;
  std::string text;  ///< what came since the last change
  bool has_head = false;
  bool got = false;
};

class Readers {
 public:
  Readers(const std::string& path, const std::string& request, std::size_t count);
  /// Waits until each has its head; how many have.
  std::size_t wait_ready();
  void wait_for(const std::string& text);

 private:
  template <class Seen>
  std::size_t take_until(std::size_t wanted, Clock::time_point end, Seen seen);
  void take(Reader& reader);

  int epoll_ = ::epoll_create1(EPOLL_CLOEXEC);
  std::vector<Reader> readers_;
  std::vector<char> buffer_ = std::vector<char>(65536);
};

int connected_to(const std::string& path) {
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) throw std::runtime_error(path + ": too long");
  std::copy(path.begin(), path.end(), address.sun_path);
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    throw std::runtime_error(path + ": " + std::strerror(errno));
  return fd;
}

Readers::Readers(const std::string& path, const std::string& request, std::size_t count) : readers_(count) {
  for (std::size_t at = 0; at < count; ++at) {
    auto& reader = readers_[at];
    reader.fd = connected_to(path);
    if (::send(reader.fd, request.data(), request.size(), MSG_NOSIGNAL) < 0) throw std::runtime_error("send");
    ::fcntl(reader.fd, F_SETFL, O_NONBLOCK);
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u64 = at;
    ::epoll_ctl(epoll_, EPOLL_CTL_ADD, reader.fd, &event);
  }
}

void Readers::take(Reader& reader) {
  while (reader.fd >= 0) {
    const auto size = ::recv(reader.fd, buffer_.data(), buffer_.size(), 0);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0 && errno == EAGAIN) return;
    if (size <= 0) {
      ::close(reader.fd);
      reader.fd = -1;
      return;
    }
    reader.text.append(buffer_.data(), static_cast<std::size_t>(size));
  }
}

/// Takes what comes until `wanted` readers are `seen` (called for each that something came for), or nobody is left.
template <class Seen>
std::size_t Readers::take_until(std::size_t wanted, Clock::time_point end, Seen seen) {
  std::size_t count = 0;
  std::vector<epoll_event> events(256);
  while (count < wanted && Clock::now() < end) {
    const int ready = ::epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), 50);
    for (int at = 0; at < ready; ++at) {
      auto& reader = readers_[events[static_cast<std::size_t>(at)].data.u64];
      take(reader);
      if (seen(reader)) ++count;
    }
  }
  return count;
}

std::size_t Readers::wait_ready() {
  return take_until(readers_.size(), Clock::now() + patience, [](Reader& reader) {
    if (reader.has_head || !reader.text.starts_with("HTTP/1.1 200") ||
        reader.text.find("\r\n\r\n") == std::string::npos)
      return false;
    return reader.has_head = true;
  });
}

void Readers::wait_for(const std::string& text) {
  for (auto& reader : readers_) {
    reader.got = false;
    reader.text.clear();
  }
  std::puts("waiting");
  std::fflush(stdout);
  const auto begun = Clock::now();
  std::vector<double> times;
  const auto wanted = static_cast<std::size_t>(std::ranges::count_if(readers_, &Reader::has_head));
  take_until(wanted, begun + patience, [&](Reader& reader) {
    if (reader.got || reader.text.find(text) == std::string::npos) return false;
    times.push_back(std::chrono::duration<double, std::micro>(Clock::now() - begun).count());
    return reader.got = true;
  });
  std::ranges::sort(times);
  const auto part = [&times](double share) {
    return times.empty() ? 0 : times[static_cast<std::size_t>(share * static_cast<double>(times.size() - 1))];
  };
  std::printf(
      "{\"readers\": %zu, \"got\": %zu, \"first_us\": %.1f, \"p50_us\": %.1f, \"p99_us\": %.1f, \"spread_us\": %.1f}\n",
      wanted, times.size(), part(0), part(0.5), part(0.99), part(1) - part(0));
  std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) {
    std::fputs("Usage: bench_event_readers SOCKET TARGET COUNT\n", stderr);
    return 2;
  }
  const rlimit files{65536, 65536};
  ::setrlimit(RLIMIT_NOFILE, &files);
  try {
    const auto request =
        "GET " + std::string(argv[2]) + " HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n";
    Readers readers(argv[1], request, static_cast<std::size_t>(std::atoi(argv[3])));
    std::printf("ready %zu\n", readers.wait_ready());
    std::fflush(stdout);
    for (std::string line; std::getline(std::cin, line);)
      if (line.starts_with("go ")) readers.wait_for(line.substr(3));
    return 0;
  } catch (const std::exception& wrong) {
    std::fprintf(stderr, "bench_event_readers: %s\n", wrong.what());
    return 1;
  }
}

// SPDX-License-Identifier: Apache-2.0
#include "api/http/server.hpp"

#include <unistd.h>

#include <exception>
#include <utility>

#include "api/http/listener.hpp"
#include "api/http/listening_socket.hpp"
#include "api/http/session.hpp"
#include "api/http/tls_door.hpp"

namespace devbindd::api {
namespace {

namespace asio = boost::asio;

// Saying that there is no room takes a connection too, for a second: beyond a number of them the others are closed
// without a word.
void welcome(const std::shared_ptr<Serving>& serving, StreamSocket socket, Caller caller) {
  const auto& settings = serving->settings;
  const Connected newcomer{.tcp = is_by_network(caller.identity.entrance),
                           .trusted = is_trusted(caller),
                           .uid = caller.requester.uid,
                           .address = caller.address};
  const auto why_not = serving->sessions.make_room_for(newcomer, settings.limits.connections);
  if (!why_not) return serve(serving, std::move(socket), std::move(caller));
  if (serving->sessions.refused() < settings.limits.refusals)
    return turn_away(serving, std::move(socket), std::move(caller), *why_not);
  settings.log({.request_id = "-", .caller = caller.text, .method = "-", .target = "-", .status = 503});
}

std::shared_ptr<Listener> listener_at(const std::shared_ptr<Serving>& serving, Listener::Acceptor acceptor,
                                      Entrance entrance) {
  auto listener =
      std::make_shared<Listener>(serving->io, std::move(acceptor), [serving, entrance](StreamSocket socket) {
        auto caller = caller_at(entrance, socket.native_handle(), serving->settings.access);
        welcome(serving, std::move(socket), std::move(caller));
      });
  listener->start();
  return listener;
}

std::unique_ptr<TlsDoor> tls_door(const std::shared_ptr<Serving>& serving, TlsContext context) {
  const auto come = [serving](TlsNewcomer newcomer) {
    auto caller = caller_with(std::move(newcomer.certificate), newcomer.addresses.peer, newcomer.addresses.local,
                              serving->settings.access);
    if (!serving->stopping) welcome(serving, std::move(newcomer.socket), std::move(caller));
  };
  return std::make_unique<TlsDoor>(serving->io, std::move(context), TlsLimits{},
                                   TlsDoor::Callbacks{.come = come, .refused = serving->settings.tls_refused});
}

}  // namespace

Server::Server(asio::io_context& io, Settings settings)
    : serving_(std::make_shared<Serving>(Serving{.io = io, .settings = std::move(settings)})) {}

Server::~Server() { stop(); }

sysfs::Result<> Server::listen_unix(const std::string& path, unsigned mode, std::optional<unsigned> group) {
  auto acceptor = listen_at_path(serving_->io, path, mode, group);
  if (!acceptor) return std::unexpected(acceptor.error());
  paths_.push_back(path);
  listeners_.push_back(listener_at(serving_, std::move(*acceptor), Entrance::Unix));
  return {};
}

sysfs::Result<> Server::listen_claims(const std::string& path) {
  constexpr unsigned for_everybody = 0666;
  auto acceptor = listen_at_path(serving_->io, path, for_everybody, std::nullopt);
  if (!acceptor) return std::unexpected(acceptor.error());
  paths_.push_back(path);
  listeners_.push_back(listener_at(serving_, std::move(*acceptor), Entrance::Claims));
  return {};
}

sysfs::Result<> Server::adopt(int descriptor, Entrance entrance) {
  auto acceptor = adopt_listening(serving_->io, descriptor);
  if (!acceptor) return std::unexpected(acceptor.error());
  listeners_.push_back(listener_at(serving_, std::move(*acceptor), entrance));
  return {};
}

sysfs::Result<> Server::adopt_unix(int descriptor) { return adopt(descriptor, Entrance::Unix); }

sysfs::Result<> Server::adopt_claims(int descriptor) { return adopt(descriptor, Entrance::Claims); }

sysfs::Result<> Server::adopt_tcp(int descriptor) {
  auto acceptor = adopt_loopback(serving_->io, descriptor);
  if (!acceptor) return std::unexpected(acceptor.error());
  listeners_.push_back(listener_at(serving_, std::move(*acceptor), Entrance::Tcp));
  return {};
}

sysfs::Result<unsigned short> Server::listen_tcp(const std::string& address, unsigned short port) {
  auto acceptor = listen_at_loopback(serving_->io, address, port);
  if (!acceptor) return std::unexpected(acceptor.error());
  const auto chosen = acceptor->local_endpoint().port();
  listeners_.push_back(listener_at(serving_, std::move(*acceptor), Entrance::Tcp));
  return chosen;
}

sysfs::Result<> Server::use_tls(const TlsMaterial& material) {
  auto context = tls_context(material);
  if (!context) return std::unexpected(context.error());
  if (tls_) {
    tls_->use(std::move(*context));
  } else {
    tls_ = tls_door(serving_, std::move(*context));
  }
  return {};
}

sysfs::Result<unsigned short> Server::listen_tls(const std::string& address, unsigned short port) {
  return tls_->listen(address, port);
}

sysfs::Result<> Server::adopt_tls(int descriptor) { return tls_->adopt(descriptor); }

void Server::use_access(AccessRules rules) {
  serving_->settings.access = std::move(rules);
  ++serving_->access_version;
}

void Server::stop() {
  if (std::exchange(serving_->stopping, true)) return;
  for (const auto& listener : listeners_) listener->stop();
  if (tls_) tls_->stop();
  for (const auto& path : paths_) ::unlink(path.c_str());
  serving_->sessions.close_idle();
}

std::size_t Server::connections() const { return serving_->sessions.size(); }

void run(asio::io_context& io, const std::function<void(const std::string&)>& failed) {
  while (true) {
    try {
      io.run();
      return;
    } catch (const std::exception& bug) {
      failed(bug.what());
    }
  }
}

}  // namespace devbindd::api

// SPDX-License-Identifier: Apache-2.0
#include "api/http/tls_door.hpp"

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <list>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "api/http/listener.hpp"
#include "api/http/listening_socket.hpp"
#include "api/http/tls_passage.hpp"

namespace devbindd::api {

namespace asio = boost::asio;

/// What the door's thread has. Nobody else touches it but by post().
struct TlsDoor::Inside {
  Inside(asio::io_context& outside, TlsContext first, TlsLimits chosen, Callbacks told)
      : daemon(outside),
        context(std::move(first)),
        limits(chosen),
        callbacks(std::make_shared<const Callbacks>(std::move(told))) {}

  asio::io_context& daemon;
  TlsContext context;
  TlsLimits limits;
  std::shared_ptr<const Callbacks> callbacks;            ///< they are called when this may have gone
  std::list<std::weak_ptr<TlsPassage>> handshakes = {};  ///< oldest first
  asio::io_context io{1};
  asio::executor_work_guard<asio::io_context::executor_type> work{io.get_executor()};
  std::vector<std::shared_ptr<Listener>> listeners = {};
  std::thread thread = {};

  void listen(TcpAcceptor acceptor) {
    auto listener = std::make_shared<Listener>(io, std::move(acceptor),
                                               [this](StreamSocket socket) { shake_hands(std::move(socket)); });
    asio::post(io, [this, listener = std::move(listener)]() mutable {
      listener->start();
      listeners.push_back(std::move(listener));
    });
  }

  void make_room() {
    std::erase_if(handshakes, [](const auto& passage) { return passage.expired(); });
    if (handshakes.size() < limits.handshakes) return;
    if (const auto oldest = handshakes.front().lock()) oldest->close("it was the slowest of too many handshakes");
    handshakes.pop_front();
  }

  void shake_hands(StreamSocket socket) {
    make_room();
    const auto passage = std::make_shared<TlsPassage>(io, std::move(socket), context, limits);
    handshakes.push_back(passage);
    passage->open([this, passage = passage.get()](sysfs::Result<TlsPassage::Opened> opened) {
      std::erase_if(handshakes, [passage](const auto& one) { return one.lock().get() == passage; });
      if (!opened) return refuse(passage->addresses().peer, opened.error().message);
      let_in(std::move(*opened), passage->addresses());
    });
  }

  void refuse(const std::string& address, const std::string& why) {
    asio::post(daemon, [told = callbacks, address, why] { told->refused(address, why); });
  }

  void let_in(TlsPassage::Opened opened, const TlsAddresses& addresses) {
    asio::post(daemon, [&io = daemon, told = callbacks, addresses,
                        opened = std::make_shared<TlsPassage::Opened>(std::move(opened))] {
      boost::system::error_code error;
      StreamSocket socket(io);
      socket.assign(asio::generic::stream_protocol(AF_UNIX, 0), opened->inner_end.get(), error);
      if (error) return told->refused(addresses.peer, error.message());
      opened->inner_end.release();
      told->come({std::move(socket), std::move(opened->certificate), addresses});
    });
  }
};

TlsDoor::TlsDoor(asio::io_context& io, TlsContext context, TlsLimits limits, Callbacks callbacks)
    : inside_(std::make_unique<Inside>(io, std::move(context), limits, std::move(callbacks))) {
  inside_->thread = std::thread([inside = inside_.get()] { inside->io.run(); });
}

TlsDoor::~TlsDoor() {
  inside_->io.stop();
  inside_->thread.join();
}

sysfs::Result<unsigned short> TlsDoor::listen(const std::string& address, unsigned short port) {
  auto acceptor = listen_at_address(inside_->io, address, port);
  if (!acceptor) return std::unexpected(acceptor.error());
  const auto chosen = acceptor->local_endpoint().port();
  inside_->listen(std::move(*acceptor));
  return chosen;
}

sysfs::Result<> TlsDoor::adopt(int descriptor) {
  auto acceptor = adopt_tcp_socket(inside_->io, descriptor);
  if (!acceptor) return std::unexpected(acceptor.error());
  inside_->listen(std::move(*acceptor));
  return {};
}

void TlsDoor::use(TlsContext context) {
  asio::post(inside_->io, [inside = inside_.get(), context = std::move(context)] { inside->context = context; });
}

void TlsDoor::stop() {
  asio::post(inside_->io, [inside = inside_.get()] {
    for (const auto& listener : inside->listeners) listener->stop();
    inside->listeners.clear();
  });
}

}  // namespace devbindd::api

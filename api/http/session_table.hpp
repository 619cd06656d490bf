// SPDX-License-Identifier: Apache-2.0
// The connections that are open, and what is done to them for others: one goes for a newcomer, idle ones go when the
// server stops. Not here: who gets in (admission.hpp), what is said on a connection (session.hpp).
#pragma once

#include <cstddef>
#include <optional>
#include <set>
#include <string>

#include "api/http/admission.hpp"

namespace devbindd::api {

/// A connection as whoever decides about all of them sees it.
class OpenConnection {
 public:
  virtual Connected connected() const = 0;
  /// Another one comes in for it.
  virtual void make_room() = 0;
  virtual void close_if_idle() = 0;

 protected:
  ~OpenConnection() = default;
};

/// Knows each connection from add() to remove(), and owns none.
class SessionTable {
 public:
  void add(OpenConnection& connection) { served_.insert(&connection); }
  /// It is only told that there is no room: it takes none from others.
  void add_refused(OpenConnection& connection) { refused_.insert(&connection); }
  void remove(OpenConnection& connection);

  /// Admits a newcomer, whose connection is then to be added; a reader's idle one may go for it. Otherwise a sentence
  /// that says why not.
  std::optional<std::string> make_room_for(const Connected& newcomer, const ConnectionLimits& limits);
  void close_idle();

  std::size_t size() const { return served_.size() + refused_.size(); }
  std::size_t refused() const { return refused_.size(); }

 private:
  std::set<OpenConnection*> served_;
  std::set<OpenConnection*> refused_;
};

}  // namespace devbindd::api

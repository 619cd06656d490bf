// SPDX-License-Identifier: Apache-2.0
// The newest events of this host, numbered, for those who follow: each reads on from where he is, at his own pace, and
// nothing is kept for one alone. Who has fallen so far behind that events are gone is told so. On the daemon's thread.
// Not here: what an event looks like (render/render_event.hpp), how it is sent (handlers/event_handlers.cpp).
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "handoff/model/host_event.hpp"

namespace devbindd::api {

/// What a follower wants to hear of; an empty list is everything.
struct EventFilter {
  std::vector<sysfs::PciAddress> devices = {};
  std::vector<unsigned> iommu_groups = {};
  std::vector<std::string> kinds = {};  ///< names of kinds
  std::vector<std::string> claims = {};
  std::vector<std::string> operations = {};
};

/// Whether the filter lets the event through. What names no device may concern each one.
bool wants(const EventFilter& filter, const handoff::HostEvent& event);

class EventFeed {
 public:
  struct Entry {
    std::uint64_t number = 0;
    handoff::HostEvent event;
    std::string document;  ///< one line of JSON, with the id
  };
  using Render = std::function<std::string(const handoff::HostEvent& event, const std::string& id)>;
  /// Runs a function later on the daemon's thread.
  using Later = std::function<void(std::function<void()>)>;

  static constexpr std::size_t max_events = 8192;
  static constexpr std::size_t max_bytes = 8U << 20U;
  static constexpr std::size_t max_followers = 1536;
  static constexpr std::size_t max_followers_each = 48;  ///< of a user who may not change things

  /// `epoch` tells the ids of this daemon from those of earlier ones.
  EventFeed(std::string epoch, Render render, Later later)
      : epoch_(std::move(epoch)), render_(std::move(render)), later_(std::move(later)) {}

  /// Takes an event in, and calls whoever waits, after whatever else is to be done now.
  void add(handoff::HostEvent event);

  std::string id_of(std::uint64_t number) const { return epoch_ + "-" + std::to_string(number); }
  /// The number of an id; nullopt where it is none of this daemon's.
  std::optional<std::uint64_t> number_of(std::string_view id) const;
  /// The newest; 0: there was none yet.
  std::uint64_t newest() const { return newest_; }
  /// Whether every event after that one is still here.
  bool reaches_back_to(std::uint64_t number) const;
  /// The first event after that one; nullptr where there is none.
  const Entry* after(std::uint64_t number) const;

  /// Calls `ready` once, at the next event. The returned token keeps it waiting.
  using Waiting = std::shared_ptr<std::function<void()>>;
  Waiting when_more(std::function<void()> ready);

  struct Followers {
    std::size_t all = 0;
    std::map<std::optional<unsigned>, std::size_t> by_user = {};  ///< who may not change things
  };
  /// That of one follower, as long as it lives.
  class Place {
   public:
    Place(std::shared_ptr<Followers> followers, std::optional<unsigned> uid, bool trusted)
        : followers_(std::move(followers)), uid_(uid), trusted_(trusted) {}
    Place(const Place&) = delete;
    Place& operator=(const Place&) = delete;
    ~Place();

   private:
    std::shared_ptr<Followers> followers_;
    std::optional<unsigned> uid_;
    bool trusted_;
  };
  /// null where there is no room for this one.
  std::shared_ptr<const Place> enter(std::optional<unsigned> uid, bool trusted);
  std::size_t followers() const { return followers_->all; }

 private:
  void wake();

  std::string epoch_;
  Render render_;
  Later later_;
  std::uint64_t newest_ = 0;
  std::deque<Entry> entries_;
  std::size_t bytes_ = 0;
  std::vector<std::weak_ptr<std::function<void()>>> waiting_;
  bool to_wake_ = false;
  std::shared_ptr<Followers> followers_ = std::make_shared<Followers>();
};

}  // namespace devbindd::api

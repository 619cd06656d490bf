// SPDX-License-Identifier: Apache-2.0
// Answers that are given again while nothing has changed that they are made of. What counts as a change is the
// version that the handlers name (context.hpp, version_of). Not here: which answers those are (the handlers).
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sysfs/kernel/pci_address.hpp"

namespace devbindd::api {

/// Counters of everything that answers about all devices are made of: two answers of one version say the same.
using Version = std::vector<std::uint64_t>;

/// The newest answers, each by what was asked for.
class AnswerCache {
 public:
  struct Answer {
    std::string content_type;
    std::shared_ptr<const std::string> body;
    std::string tag;
  };
  static constexpr std::size_t max_answers = 32;
  static constexpr std::size_t max_bytes = 16U << 20U;
  static constexpr std::chrono::seconds longest{30};  ///< for what has no counter: new modules on disk

  /// nullptr where nothing of this version is kept.
  const Answer* find(const std::string& asked, const Version& version);
  /// Keeps it; what was kept of other versions goes.
  void keep(const std::string& asked, const Version& version, Answer answer);

 private:
  void begin(const Version& version);

  Version version_;
  std::chrono::steady_clock::time_point begun_;
  std::map<std::string, Answer> answers_;
  std::size_t bytes_ = 0;
};

/// What an item of the list of devices is made of besides the device's own facts and counters of the whole host.
struct ItemState {
  std::uint64_t revision = 0;
  std::uint64_t network = 0;  ///< 0 where it has no interface
  std::uint64_t nodes = 0;    ///< 0 where it has no node
  std::uint64_t drivers = 0;
  std::uint64_t half_minute = 0;  ///< which one it is: new modules on disk have no counter
  std::string claim = {};
  std::string operation = {};
  std::uint64_t cordons = 0;
  std::optional<std::optional<std::string>> left_with = {};

  bool operator==(const ItemState&) const = default;
};

/// Items of the list of devices as text.
class ItemCache {
 public:
  /// nullptr where none is kept that is made of these.
  const std::string* find(const sysfs::PciAddress& address, const ItemState& state) const;
  const std::string& keep(const sysfs::PciAddress& address, ItemState state, std::string text);
  void forget(const sysfs::PciAddress& address) { items_.erase(address); }

 private:
  struct Item {
    ItemState state;
    std::string text;
  };
  std::map<sysfs::PciAddress, Item> items_;
};

}  // namespace devbindd::api

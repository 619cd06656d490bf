// SPDX-License-Identifier: Apache-2.0
// What the daemon and its keeper say to each other, one packet each (SOCK_SEQPACKET): the keeper's greeting, then
// requests one way and an answer to each, in their order. Both ends are the same program; the greeting has its version.
// Not here: what the keeper does (keeper.hpp), who asks (keeper_link.hpp).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "handoff/worker/permit.hpp"
#include "sysfs/kernel/result.hpp"

namespace devbindd::handoff {

constexpr std::size_t max_keeper_packet = 64U << 10U;

/// With it comes the socket through which rights are lent (sysfs/kernel/lent_rights.hpp).
struct Greeting {
  std::string version = {};
  std::int32_t pid = 0;            ///< the parent of all workers
  std::string configuration = {};  ///< the file that it goes by

  bool operator==(const Greeting&) const = default;
};

/// Its socket comes with the answer.
struct StartWorker {
  std::int32_t nice = 0;  ///< as sysfs::yield_as_session() takes it

  bool operator==(const StartWorker&) const = default;
};

struct WithdrawPermit {
  std::uint64_t number = 0;

  bool operator==(const WithdrawPermit&) const = default;
};

/// Of an earlier daemon, stopped by a signal.
struct EndWorker {
  std::int32_t pid = 0;

  bool operator==(const EndWorker&) const = default;
};

/// The CDI file of a claim.
struct PutCdiFile {
  std::string claim = {};
  std::string text = {};  ///< "" removes it

  bool operator==(const PutCdiFile&) const = default;
};

/// The CDI files of other claims go.
struct KeepCdiFiles {
  std::vector<std::string> claims = {};

  bool operator==(const KeepCdiFiles&) const = default;
};

using KeeperRequest = std::variant<StartWorker, Permit, WithdrawPermit, EndWorker, PutCdiFile, KeepCdiFiles>;

struct KeeperAnswer {
  std::optional<sysfs::Error> error = {};
  std::int32_t pid = 0;  ///< of the worker that was started
};

std::string encode(const Greeting& greeting);
std::string encode(const KeeperRequest& request);
std::string encode(const KeeperAnswer& answer);

/// Of one whole packet. nullopt: malformed, or beyond the limits of permit.hpp.
std::optional<Greeting> decode_greeting(std::string_view packet);
std::optional<KeeperRequest> decode_keeper_request(std::string_view packet);
std::optional<KeeperAnswer> decode_keeper_answer(std::string_view packet);

}  // namespace devbindd::handoff

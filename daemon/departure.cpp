// SPDX-License-Identifier: Apache-2.0
#include "daemon/departure.hpp"

namespace devbindd::daemon {
namespace {

using boost::system::error_code;

constexpr std::chrono::milliseconds between_looks{20};
constexpr std::chrono::milliseconds last_answers{100};

}  // namespace

void Departure::begin(const std::function<bool()>& busy, std::chrono::steady_clock::time_point deadline) {
  if (!busy() || std::chrono::steady_clock::now() >= deadline) {
    timer_.expires_after(last_answers);
    timer_.async_wait([this](error_code) { io_.stop(); });
    return;
  }
  timer_.expires_after(between_looks);
  timer_.async_wait([this, busy, deadline](error_code) { begin(busy, deadline); });
}

}  // namespace devbindd::daemon
